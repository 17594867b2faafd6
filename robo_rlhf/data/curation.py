"""Curation of closed episodes: tag, note, trim, delete, restore."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, RoboRlhfError, VersionError
from robo_rlhf.core.files import move, remove, sync, write_atomic
from robo_rlhf.core.types import Episode, EpisodeMeta, Outcome, RecordedVideo
from robo_rlhf.data.layout import (
    TrashedEpisode,
    episode_path,
    names,
    next_trash_path,
    not_found,
    trash_versions,
    trashed,
    trimmed_id,
)
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recorded_videos import VIDEOS, cut_videos, video_files
from robo_rlhf.data.schema import FRAME_COLUMNS, Columns, encode, load_file, read_header


class Curated(Reader):
    """The closed episodes of a folder, which several programs may change at once."""

    def tag(self, episode_id: str, *tags: str) -> None:
        """Add tags to an episode."""
        self._edit(episode_id, lambda meta: replace(meta, tags=tuple(dict.fromkeys((*meta.tags, *tags)))))

    def untag(self, episode_id: str, *tags: str) -> None:
        """Remove tags from an episode; those that it does not have are skipped."""
        self._edit(episode_id, lambda meta: replace(meta, tags=tuple(tag for tag in meta.tags if tag not in tags)))

    def note(self, episode_id: str, text: str) -> None:
        """Replace the note of an episode."""
        self._edit(episode_id, lambda meta: replace(meta, note=text))

    def set_outcome(self, episode_id: str, outcome: Outcome, *, marked: bool = True) -> None:
        """Set the outcome of an episode; `marked`: a person says so, not the task's own measure."""
        self._edit(episode_id, lambda meta: replace(meta, outcome=outcome, marked=marked))

    def set_frames(self, episode_id: str, frames: Mapping[str, RecordedVideo]) -> None:
        """Set what cameras recorded of an episode; the videos are in the dataset."""
        self._edit(episode_id, lambda meta: replace(meta, frames=frames))

    def trim(self, episode_id: str, start: int, stop: int) -> str:
        """Keep only steps [start, stop) of an episode, as a new episode; return its id.

        The new one names the old one as its parent; the old one goes to the trash. An id thus always means the same
        steps, and answers about steps of the old one remain valid: see `recall`. Keeping all steps changes nothing.

        Raises:
            InvalidValueError: these are not at least one step of the episode.
        """
        with self.locked():
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
                meta = replace(meta, frames=cut_videos(meta, start, stop))
                write_atomic(episode_path(self.path, new), encode(kept, meta))
            move(episode_path(self.path, episode_id), next_trash_path(self.path, episode_id))
            return new

    def recall(self, episode_id: str) -> Episode:
        """Return an episode as `load` does; one that was trimmed is returned as it was before, from the trash.

        For answers about some of its steps: they remain valid when other steps are cut off.
        """
        if episode_id not in self and episode_id in self._trimmed_away():
            return load_file(trash_versions(self.path, episode_id)[-1])
        return self.load(episode_id)

    def delete(self, episode_id: str) -> None:
        """Move an episode to the trash."""
        with self.locked():
            self.require(episode_id)
            move(episode_path(self.path, episode_id), next_trash_path(self.path, episode_id))

    def undelete(self, episode_id: str) -> None:
        """Restore the newest version of an episode from the trash; an episode in its place goes there.

        Raises:
            NotFoundError: the trash has no such episode; the message suggests the nearest.
        """
        with self.locked():
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

    def trashed(self, ids: Iterable[str] | None = None) -> tuple[TrashedEpisode, ...]:
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

    def purge(self, ids: Iterable[str] | None = None) -> tuple[TrashedEpisode, ...]:
        """Delete episodes (all where None) from the trash, every version of them, for good; return what they were.

        Raises:
            NotFoundError: the trash has no such episode; nothing was deleted.
        """
        with self.locked():
            items = self.trashed(ids)
            for item in items:
                for path in trash_versions(self.path, item.id):
                    remove(path, durable=False)
            if items:
                sync(self.path / "trash")
                self._sweep_videos()
            return items

    def _sweep_videos(self) -> None:
        """Remove recorded videos that no episode shows any more, in the dataset or its trash."""
        if not (self.path / VIDEOS).is_dir():
            return
        paths = [episode_path(self.path, episode_id) for episode_id in self.ids()]
        paths += [path for item in trashed(self.path) for path in trash_versions(self.path, item.id)]
        try:
            shown = {file for path in paths for file in video_files(read_header(path).meta)}
        except (CorruptFileError, VersionError):
            return  # what cannot be read may show any of them
        for entry in names(self.path / VIDEOS, ""):
            if entry.name not in shown:
                remove(Path(entry.path), missing_ok=True, durable=False)

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
        with self.locked():
            columns, header = self.read(episode_id)
            meta = change(header.meta)
            if meta != header.meta:
                write_atomic(episode_path(self.path, episode_id), encode(columns, meta))

    def _not_in_trash(self, episode_id: str) -> RoboRlhfError:
        return not_found("episode in the trash", episode_id, self.trash(), "The trash does not hold it.")

    def _free_id(self, episode_id: str, columns: Columns) -> str:
        """Return `episode_id` where it is free or names an episode with these columns, else one derived from it."""
        number, candidate = 1, episode_id
        while candidate in self and not _same(self.read(candidate)[0], columns):
            number += 1
            candidate = f"{episode_id}-{number}"
        return candidate

    @contextmanager
    def locked(self) -> Iterator[None]:
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
