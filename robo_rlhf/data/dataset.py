"""Dataset: a folder of episodes that can be recorded into, curated, merged and split."""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from robo_rlhf.data.families import split_families
from robo_rlhf.data.journal import EpisodeWriter, begin_branch
from robo_rlhf.data.layout import (
    EPISODE_SUFFIX,
    MANIFEST,
    Trashed,
    episode_path,
    list_datasets,
    move,
    new_id,
    next_trash_path,
    not_found,
    now,
    trash_versions,
    trashed,
    trimmed_id,
)
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recovery import Recovery, recover
from robo_rlhf.data.schema import (
    FORMAT,
    FRAME_COLUMNS,
    LEVEL,
    Columns,
    Timing,
    encode,
    load_file,
    read_header,
    to_columns,
)
from robo_rlhf.errors import ConflictError, CorruptFileError, InvalidValueError, RoboRlhfError, VersionError
from robo_rlhf.files import write_atomic, write_atomic_many, write_json
from robo_rlhf.types import Array, Episode, EpisodeMeta, Outcome

MIXED = "mixed"
_GROUP = 64  # episodes that add_many writes before it waits for the disk


class Dataset(Reader):
    """A folder of episodes, safe to open from several programs at once.

    Opening it recovers what a crash left in its journals; `recovery` says what that was.
    """

    def __init__(self, path: Path, *, create: bool = False, task: str = MIXED) -> None:
        """Open the dataset at `path`.

        Args:
            path: its folder.
            create: whether to make it where it is missing.
            task: when it is made: the task that all its episodes must be of, or "mixed".

        Raises:
            NotFoundError: there is none; the message lists those beside it.
            VersionError: another version of the format.
            CorruptFileError: its dataset.json cannot be read.
        """
        super().__init__(path)
        manifest = path / MANIFEST
        if not manifest.exists():
            if not create:
                beside = list_datasets(path.parent)
                advice = f"In {path.parent} there are: {', '.join(beside) or '(no datasets)'}."
                raise not_found("dataset", path.name, beside, advice)
            write_json(manifest, {"format": FORMAT, "task": task, "created": now()})
        self.task, self.created = _read_manifest(manifest)
        self.recovery: Recovery = recover(path)

    def record(self, meta: EpisodeMeta, obs: Array, state: Array, *, success: bool = False) -> EpisodeWriter:
        """Begin to record an episode; see `EpisodeWriter`.

        Raises:
            InvalidValueError: the dataset is for another task.
            ConflictError: the episode is there already.
            DiskFullError: there is too little room to begin.
        """
        self._check_task(meta)
        return EpisodeWriter(self.path, meta, obs, state, success=success)

    def branch(self, episode_id: str, step: int, new_episode_id: str = "") -> EpisodeWriter:
        """Begin an episode with the first `step` steps of another: to continue from any frame of it.

        Raises:
            NotFoundError, CorruptFileError: as `load`.
            InvalidValueError: the episode has no such frame.
        """
        columns, header = self.read(episode_id)
        return begin_branch(self.path, columns, header.meta, step, new_episode_id)

    def add(
        self, episode: Episode, timing: Timing | None = None, *, replace_existing: bool = False, level: int = LEVEL
    ) -> str:
        """Add a whole episode, all of it or nothing, and return its id (a new one where it has none).

        Args:
            episode: what to add.
            timing: when its steps were taken, where that is known.
            replace_existing: whether another episode with the same id gives way, to the trash.
            level: how hard zstd tries, 1 to 22.

        Raises:
            ConflictError: there is an episode with this id.
            InvalidValueError: the dataset is for another task.
            DiskFullError: there is no room; nothing changed.
        """
        file = self._encode(episode, timing, replace_existing, level)
        write_atomic(*file)
        return _id_of(file[0])

    def add_many(
        self, episodes: Iterable[Episode], *, replace_existing: bool = False, level: int = LEVEL
    ) -> tuple[str, ...]:
        """Add episodes, each as `add` does, many to a wait for the disk; return their ids in order."""
        ids: list[str] = []
        remaining = iter(episodes)
        while group := list(islice(remaining, _GROUP)):
            files = [self._encode(episode, None, replace_existing, level) for episode in group]
            write_atomic_many(files)
            ids += [_id_of(path) for path, _ in files]
        return tuple(ids)

    def tag(self, episode_id: str, *tags: str) -> None:
        """Add tags to an episode."""
        self._edit(episode_id, lambda meta: replace(meta, tags=tuple(dict.fromkeys((*meta.tags, *tags)))))

    def untag(self, episode_id: str, *tags: str) -> None:
        """Remove tags from an episode; those that it does not have are passed over."""
        self._edit(episode_id, lambda meta: replace(meta, tags=tuple(tag for tag in meta.tags if tag not in tags)))

    def note(self, episode_id: str, text: str) -> None:
        """Replace the note of an episode."""
        self._edit(episode_id, lambda meta: replace(meta, note=text))

    def set_outcome(self, episode_id: str, outcome: Outcome) -> None:
        """Say how an episode ended."""
        self._edit(episode_id, lambda meta: replace(meta, outcome=outcome))

    def trim(self, episode_id: str, start: int, stop: int) -> str:
        """Keep only steps [start, stop) of an episode, as an episode of its own; return its id.

        The new one names the old one as its parent; the old one goes to the trash. An id thus always means the same
        steps, and what was said about steps of the old one stays true: see `recall`. All its steps are no change.

        Raises:
            InvalidValueError: these are not at least one step of the episode.
        """
        with self._locked():
            columns, header = self.read(episode_id)
            if not 0 <= start < stop <= header.steps:
                expected = f"at least one step within 0 to {header.steps}"
                raise InvalidValueError(f"trimming episode {episode_id}", f"steps {start} to {stop}", expected)
            if stop - start == header.steps:
                return episode_id
            kept = {n: v[start : stop + 1 if n in FRAME_COLUMNS else stop] for n, v in columns.items()}
            new = self._free_id(trimmed_id(episode_id, start, stop), kept)
            if new not in self:
                meta = replace(header.meta, id=new, parent=episode_id, parent_step=start, trimmed=True)
                write_atomic(episode_path(self.path, new), encode(kept, meta))
            move(episode_path(self.path, episode_id), next_trash_path(self.path, episode_id))
            return new

    def recall(self, episode_id: str) -> Episode:
        """Return an episode as `load` does, also one that was trimmed: then as it was before, from the trash.

        For what was said about some of its steps: that stays true when others are cut off.
        """
        if episode_id not in self and episode_id in self._trimmed_away():
            return load_file(trash_versions(self.path, episode_id)[-1])
        return self.load(episode_id)

    def delete(self, episode_id: str) -> None:
        """Move an episode to the trash."""
        with self._locked():
            self.require(episode_id)
            move(episode_path(self.path, episode_id), next_trash_path(self.path, episode_id))

    def undelete(self, episode_id: str) -> None:
        """Bring the newest version of an episode back from the trash; what stands in its place goes there.

        Raises:
            NotFoundError: the trash has no such episode; the message suggests the nearest.
        """
        with self._locked():
            path = episode_path(self.path, episode_id)
            versions = trash_versions(self.path, episode_id)
            if not versions:
                raise self._not_in_trash(episode_id)
            if path.exists():
                move(path, next_trash_path(self.path, episode_id))
            move(versions[-1], path)

    def trash(self) -> tuple[str, ...]:
        """Return the ids of what is in the trash, sorted."""
        return tuple(item.id for item in trashed(self.path))

    def trashed(self, ids: Iterable[str] | None = None) -> tuple[Trashed, ...]:
        """Return what is in the trash (of these ids; all where None), sorted by id.

        Raises:
            NotFoundError: the trash has no such episode; the message suggests the nearest.
        """
        items = {item.id: item for item in trashed(self.path)}
        wanted = sorted(items if ids is None else set(ids))
        for episode_id in wanted:
            if episode_id not in items:
                raise self._not_in_trash(episode_id)
        return tuple(items[episode_id] for episode_id in wanted)

    def purge(self, ids: Iterable[str] | None = None) -> tuple[Trashed, ...]:
        """Delete episodes (all where None) from the trash, every version of them, for good; return what they were.

        Raises:
            NotFoundError: the trash has no such episode; nothing was deleted.
        """
        with self._locked():
            items = self.trashed(ids)
            for item in items:
                for path in trash_versions(self.path, item.id):
                    path.unlink()
            return items

    def merge(self, other: Reader) -> dict[str, str]:
        """Copy all episodes of another dataset; return the id each has here, by the id it has there.

        An episode that is here already stays as it is; another one of the same id gets a new id.
        """
        here: dict[str, str] = {}
        for episode_id in other.ids():
            columns, header = other.read(episode_id)
            self._check_task(header.meta)
            here[episode_id] = new = self._free_id(episode_id, columns)
            if new not in self:
                parent = here.get(header.meta.parent, header.meta.parent)
                meta = replace(header.meta, id=new, parent=parent)
                write_atomic(episode_path(self.path, new), encode(columns, meta))
        return here

    def split(self, fractions: Sequence[float], seed: int) -> tuple[tuple[str, ...], ...]:
        """Return the ids of all episodes in as many parts as there are fractions; the same seed gives the same parts.

        Episodes that branched from one another share frames, so they stay in one part.

        Raises:
            InvalidValueError: the fractions are negative or do not add up to 1.
        """
        return split_families({info.meta.id: info.meta.parent for info in self.list()}, fractions, seed)

    def _trimmed_away(self) -> set[str]:
        """Return the ids of what lies in the trash because a part of it took its place."""
        found = set()
        for info in self.list():
            meta = info.meta
            while meta.trimmed and (versions := trash_versions(self.path, meta.parent)):
                found.add(meta.parent)
                meta = read_header(versions[-1]).meta
        return found

    def _edit(self, episode_id: str, change: Callable[[EpisodeMeta], EpisodeMeta]) -> None:
        """Replace the metadata of an episode; of two edits at once, none is lost."""
        with self._locked():
            columns, header = self.read(episode_id)
            meta = change(header.meta)
            if meta != header.meta:
                write_atomic(episode_path(self.path, episode_id), encode(columns, meta))

    def _encode(
        self, episode: Episode, timing: Timing | None, replace_existing: bool, level: int
    ) -> tuple[Path, bytes]:
        """Return where an episode goes and the bytes of its file; what it replaces is in the trash by then."""
        self._check_task(episode.meta)
        meta = replace(episode.meta, id=episode.meta.id or new_id())
        path = episode_path(self.path, meta.id)
        if path.exists() and not replace_existing:
            raise ConflictError(f"episode {meta.id!r}", f"{self.path} holds it already")
        columns = to_columns(episode, timing or Timing.unknown(len(episode)))
        content = encode(columns, meta, level=level)
        if path.exists() and path.read_bytes() != content:
            self._copy_to_trash(meta.id)
        return path, content

    def _not_in_trash(self, episode_id: str) -> RoboRlhfError:
        return not_found("episode in the trash", episode_id, self.trash(), "The trash does not hold it.")

    def _copy_to_trash(self, episode_id: str) -> None:
        """Keep what an episode is now, before it is replaced."""
        content = episode_path(self.path, episode_id).read_bytes()
        write_atomic(next_trash_path(self.path, episode_id), content)

    def _check_task(self, meta: EpisodeMeta) -> None:
        if self.task not in (MIXED, meta.task):
            raise InvalidValueError(
                f"episode for dataset {self.path.name}", f"task {meta.task!r}", f"task {self.task!r}"
            )

    def _free_id(self, episode_id: str, columns: Columns) -> str:
        """Return `episode_id` where it is free or names an episode with these columns, else one derived from it."""
        number, candidate = 1, episode_id
        while candidate in self and not _same(self.read(candidate)[0], columns):
            number += 1
            candidate = f"{episode_id}-{number}"
        return candidate

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other programs from editing at the same time."""
        file = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _same(one: Columns, other: Columns) -> bool:
    """Whether columns are equal bit for bit."""
    if one.keys() != other.keys():
        return False
    return all(one[name].shape == other[name].shape and one[name].tobytes() == other[name].tobytes() for name in one)


def _id_of(path: Path) -> str:
    return path.name.removesuffix(EPISODE_SUFFIX)


def _read_manifest(path: Path) -> tuple[str, str]:
    """Return the task and the time of making that a dataset.json holds."""
    try:
        manifest = json.loads(path.read_bytes())
        version = manifest["format"]
        if version == FORMAT:
            return str(manifest["task"]), str(manifest["created"])
    except (ValueError, LookupError, TypeError) as error:
        advice = f'Its episodes are untouched: write {{"format": {FORMAT}, "task": "{MIXED}", "created": ""}} into it.'
        raise CorruptFileError(path, str(error), advice) from error
    raise VersionError(path.parent, version, FORMAT, "Read it with the version of robo-rlhf that wrote it.")
