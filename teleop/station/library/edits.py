"""Edits of recordings, one episode or many at a time, and the trash."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import numpy as np
from cachetools import LRUCache

from robo_rlhf.core.errors import ConflictError, CorruptFileError, InvalidValueError, NotFoundError, RoboRlhfError
from robo_rlhf.core.types import Array, EpisodeMeta, Outcome, RecordedVideo, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import trash_versions, trashed
from robo_rlhf.data.schema import read_columns, read_header
from robo_rlhf.episodes.access import open_access
from robo_rlhf.vision.sight import read_sight
from teleop.station.library.entry import EpisodeKey
from teleop.station.library.facts_cache import FactsCache
from teleop.station.library.filters import Query, Selection, select
from teleop.station.library.index import Index, gone
from teleop.station.library.zip_download import Tickets

LONGEST_TAG, MOST_TAGS, LONGEST_NOTE = 60, 40, 4000  # [characters], of an episode, [characters]
FACTS = "cache/facts.jsonl"  # in the data home; can be deleted at any time
SELECTIONS = 16  # queries whose results are kept until something changes
OUTCOMES: tuple[str, ...] = get_args(Outcome)


class EditResult(NamedTuple):
    """The outcome of an edit of one episode."""

    key: EpisodeKey
    error: str = ""  # why nothing was changed, in words
    new: str = ""  # id of the episode that it became, where that is another


class TrashEntry(NamedTuple):
    """An episode in the trash, as a list shows it."""

    key: EpisodeKey
    version: int  # the newest version, which is the one that is restored
    versions: int
    size: int  # [bytes] of all versions
    since: str  # ISO 8601, UTC
    meta: EpisodeMeta | None  # None: its file is damaged
    steps: int


class Library:
    """The recordings of a data home; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Nothing is read yet."""
        self.index = Index(home)
        self.facts = FactsCache(home / FACTS, self.index.path)
        self.tickets = Tickets()
        self._lock = threading.Lock()
        self._open: dict[Path, Dataset] = {}
        self._selections: LRUCache[tuple[int, Query], Selection] = LRUCache(SELECTIONS)

    def close(self) -> None:
        """End its worker threads and processes."""
        self.facts.close()

    def dataset(self, name: str) -> Dataset:
        """Return a dataset to change something in.

        Raises:
            NotFoundError: there is none.
            ConflictError: it ships with the program.
        """
        folder = self.index.folder(name)
        if self.index.ships(name):
            raise ConflictError(f"dataset {name!r}", f"it ships with the program; copy {folder} into your data home")
        with self._lock:
            if folder not in self._open:
                self._open[folder] = Dataset(folder)
            return self._open[folder]

    def select(self, query: Query) -> Selection:
        """Return the episodes that fit, as the index knows them now."""
        asked = (self.index.number, query)
        with self._lock:
            found = self._selections.get(asked)
        found = found or select(self.index.entries(), query)
        with self._lock:
            self._selections[asked] = found
        return found

    def place(self, key: EpisodeKey, query: Query) -> dict[str, Any]:
        """Return an episode's position among those that fit: its number, how many there are, and its neighbours."""
        keys = [entry.key for entry in self.select(query).entries]
        if key not in keys:
            return {"number": None, "total": len(keys), "before": None, "after": keys[0] if keys else None}
        at = keys.index(key)
        around = {"before": keys[at - 1] if at else None, "after": keys[at + 1] if at + 1 < len(keys) else None}
        return {"number": at + 1, "total": len(keys), **around}

    def timeline(self, key: EpisodeKey) -> dict[str, Any]:
        """Return the source of each step, and the frames in which the task was done, as spans [first, last + 1).

        Raises:
            NotFoundError, FileNotFoundError: it is not there any more.
            CorruptFileError: its file was damaged, and is in the quarantine now.
        """
        try:
            path = self.index.path(key)
            columns, header = read_columns(path, ("source", "success"))
        except CorruptFileError as error:
            self.index.set_aside(key, str(error))
            raise
        names = {int(source): source.name.lower() for source in Source}
        sources = [(names.get(value, "human"), *span) for value, span in spans(columns["source"])]
        success = [span for value, span in spans(columns["success"]) if value]
        access = open_access(path, header)
        return {
            "sources": sources,
            "success": success,
            "frames": header.steps + 1,
            "show": access.show,  # as in `EpisodeAccess`
            "cameras": list(access.videos),  # whose frames were recorded
            "videos": [] if access.show == "state" else [_video(n, v) for n, v in header.meta.frames.items()],
            "enter": access.enter,
            "reason": access.reason,
            "sees": _sees(header.meta) if access.show == "state" else None,
        }

    def recorded_cameras(self, task: str) -> list[str]:
        """Return the cameras that recorded episodes of a task, by name; none where they are drawn."""
        shown = (entry.meta.frames for entry in self.index.entries() if entry.meta.task == task)
        return sorted({camera for frames in shown for camera in frames})

    def tag(self, keys: Iterable[EpisodeKey], tags: Sequence[str]) -> list[EditResult]:
        """Add tags to episodes.

        Raises:
            InvalidValueError: a tag is too long or holds what no tag may hold.
        """
        wanted = [clean_tag(tag) for tag in tags]

        def add(dataset: Dataset, episode: str) -> None:
            had = dataset.info(episode).meta.tags
            if len({*had, *wanted}) > MOST_TAGS:
                raise InvalidValueError(f"tags of {episode}", len({*had, *wanted}), f"at most {MOST_TAGS}")
            dataset.tag(episode, *wanted)

        return self._each(keys, add)

    def untag(self, keys: Iterable[EpisodeKey], tags: Sequence[str]) -> list[EditResult]:
        """Remove tags from episodes."""
        return self._each(keys, lambda dataset, episode: dataset.untag(episode, *tags))

    def note(self, key: EpisodeKey, text: str, was: str | None = None) -> EditResult:
        """Replace the note of an episode; where another user changed it from what it `was`, nothing is changed.

        Raises:
            InvalidValueError: it is too long.
        """
        if len(text) > LONGEST_NOTE:
            raise InvalidValueError("note", f"{len(text):,} characters", f"at most {LONGEST_NOTE:,}")

        def write(dataset: Dataset, episode: str) -> None:
            if was is not None and dataset.info(episode).meta.note not in (was, text):
                raise ConflictError(f"the note of {episode}", "another user changed it meanwhile; read theirs first")
            dataset.note(episode, text)

        return self._each([key], write)[0]

    def set_outcome(self, keys: Iterable[EpisodeKey], outcome: str) -> list[EditResult]:
        """Set the outcome of episodes.

        Raises:
            InvalidValueError: no episode ends so.
        """
        if outcome not in OUTCOMES:
            raise InvalidValueError("outcome", repr(outcome), f"one of {', '.join(OUTCOMES)}")
        ending = cast(Outcome, outcome)
        return self._each(keys, lambda dataset, episode: dataset.set_outcome(episode, ending))

    def trim(self, key: EpisodeKey, start: int, stop: int) -> EditResult:
        """Keep only steps [start, stop) of an episode, as a separate episode; the whole one goes to the trash."""
        return self._each([key], lambda dataset, episode: dataset.trim(episode, start, stop))[0]

    def delete(self, keys: Iterable[EpisodeKey]) -> list[EditResult]:
        """Move episodes to the trash."""
        return self._each(keys, lambda dataset, episode: dataset.delete(episode))

    def restore(self, keys: Iterable[EpisodeKey]) -> list[EditResult]:
        """Restore episodes from the trash, the newest version of each."""
        return self._each(keys, lambda dataset, episode: dataset.undelete(episode))

    def purge(self, keys: Iterable[EpisodeKey]) -> list[EditResult]:
        """Delete episodes from the trash for good."""

        def remove(dataset: Dataset, episode: str) -> None:
            dataset.purge([episode])

        return self._each(keys, remove)

    def trash_count(self) -> int:
        """Return how many episodes are in the trash."""
        return sum(len(trashed(self.index.folder(name))) for name in self.index.datasets())

    def trash(self) -> list[TrashEntry]:
        """Return what is in the trash of every dataset, the newest first."""
        self.index.refresh(0)
        found = []
        for name in self.index.datasets():
            if self.index.ships(name):
                continue
            folder = self.index.folder(name)
            for item in self.dataset(name).trashed():
                versions = trash_versions(folder, item.id)
                if not versions:
                    continue  # restored a moment ago
                version = int(versions[-1].name.split(".")[-2])
                meta, steps = _header(versions[-1])
                found.append(
                    TrashEntry(EpisodeKey(name, item.id), version, item.versions, item.size, item.since, meta, steps)
                )
        return sorted(found, key=lambda item: (item.since, item.key), reverse=True)

    def _each(self, keys: Iterable[EpisodeKey], change: Callable[[Dataset, str], str | None]) -> list[EditResult]:
        """Change episodes one after another; an error with one does not stop the others."""
        results = []
        for key in dict.fromkeys(keys):
            try:
                results.append(EditResult(key, new=change(self.dataset(key.dataset), key.episode) or ""))
            except NotFoundError:
                results.append(EditResult(key, str(gone(key))))
            except CorruptFileError as error:
                self.index.set_aside(key, str(error))
                results.append(EditResult(key, "The file of this episode was damaged; it was moved aside."))
            except RoboRlhfError as error:
                results.append(EditResult(key, str(error)))
        return results


def spans(values: Array) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each run of equal values (n,) as the value and where it begins and ends."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    for start, stop in pairwise(edges):
        if stop > start:
            yield int(values[start]), (start, stop)


def clean_tag(tag: str) -> str:
    """Return a tag without spaces around it.

    Raises:
        InvalidValueError: it is empty, too long, or holds what cannot be seen.
    """
    clean = " ".join(tag.split())
    if not clean or len(clean) > LONGEST_TAG or not clean.isprintable():
        raise InvalidValueError("tag", repr(tag[:80]), f"1 to {LONGEST_TAG} visible characters")
    return clean


def _header(path: Path) -> tuple[EpisodeMeta | None, int]:
    try:
        header = read_header(path)
    except (RoboRlhfError, OSError):
        return None, 0
    return header.meta, header.steps


def _video(camera: str, video: RecordedVideo) -> dict[str, Any]:
    """Return where in its file a camera's part of an episode begins [s], its rate, and how many frames it has."""
    return {"name": camera, "start": video.start, "fps": video.fps, "frames": video.frames}


def _sees(meta: EpisodeMeta) -> dict[str, Any] | None:
    """Return the cameras of the policy of an episode, and the size of its pictures; None where it has none."""
    sight = read_sight(meta.versions)
    return None if sight is None else asdict(sight)
