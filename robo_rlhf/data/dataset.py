"""Dataset: a folder of episodes that can be recorded into, curated, merged and split."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from robo_rlhf.core.errors import ConflictError, CorruptFileError, InvalidValueError, VersionError
from robo_rlhf.core.files import read_json, read_whole, write_atomic, write_atomic_many, write_json
from robo_rlhf.core.types import Array, Episode, EpisodeMeta
from robo_rlhf.data.curation import Curated
from robo_rlhf.data.layout import (
    EPISODE_SUFFIX,
    MANIFEST,
    episode_path,
    list_datasets,
    new_id,
    next_trash_path,
    not_found,
    now,
)
from robo_rlhf.data.reader import Reader
from robo_rlhf.data.recorded_videos import copy_videos
from robo_rlhf.data.recording.journal import EpisodeWriter, begin_branch
from robo_rlhf.data.recording.recovery import Recovery, recover
from robo_rlhf.data.schema import (
    FORMAT,
    LEVEL,
    Timing,
    encode,
    to_columns,
)
from robo_rlhf.data.split import split_families

MIXED = "mixed"
_GROUP = 64  # episodes that add_many writes before it waits for the disk
_ASIDE = "Move it aside."


class Dataset(Curated):
    """A folder of episodes, safe to open from several programs at once.

    Opening it recovers journals that a crash left; `recovery` holds the result.
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
            level: of compression by zstd, 1 to 22.

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
        pairs = ((episode, None) for episode in episodes)
        return self.add_pairs(pairs, replace_existing=replace_existing, level=level)

    def add_pairs(
        self, pairs: Iterable[tuple[Episode, Timing | None]], *, replace_existing: bool = False, level: int = LEVEL
    ) -> tuple[str, ...]:
        """Add episodes with their timing as `add_many` does."""
        ids: list[str] = []
        remaining = iter(pairs)
        while group := list(islice(remaining, _GROUP)):
            files = [self._encode(episode, timing, replace_existing, level) for episode, timing in group]
            write_atomic_many(files)
            ids += [_id_of(path) for path, _ in files]
        return tuple(ids)

    def merge(
        self,
        other: Reader,
        ids: Iterable[str] | None = None,
        *,
        origin: str = "",
        tell: Callable[[int, int], object] = lambda done, total: None,
    ) -> dict[str, str]:
        """Copy episodes of another dataset (all where None); return the id each has here, by the id it has there.

        An episode that is here already stays as it is; another one of the same id gets a new id. One at a time is in
        memory. What was stopped is continued by the same call.

        Args:
            other: the dataset to copy from.
            ids: which of its episodes.
            origin: the name of that dataset, which each copy keeps with its id there; one that came from elsewhere
                before keeps that.
            tell: called with episodes done, and of how many.

        Raises:
            InvalidValueError: this dataset is for another task; nothing was copied.
        """
        wanted = other.ids() if ids is None else tuple(ids)
        for episode_id in wanted:
            self._check_task(other.info(episode_id).meta)
        here: dict[str, str] = {}
        for done, episode_id in enumerate(wanted, start=1):
            columns, header = other.read(episode_id)
            here[episode_id] = new = self._free_id(episode_id, columns)
            if new not in self:
                parent = here.get(header.meta.parent, header.meta.parent)
                known = {"dataset": origin, "id": episode_id} if origin else {}
                meta = replace(header.meta, id=new, parent=parent, origin=header.meta.origin or known)
                copy_videos(meta, other.path, self.path)
                write_atomic(episode_path(self.path, new), encode(columns, meta))
            tell(done, len(wanted))
        return here

    def split(self, fractions: Sequence[float], seed: int) -> tuple[tuple[str, ...], ...]:
        """Return the ids of all episodes in as many parts as there are fractions; the same seed gives the same parts.

        Episodes that branched from one another share frames, so they stay in one part.

        Raises:
            InvalidValueError: the fractions are negative or do not add up to 1.
        """
        return split_families({info.meta.id: info.meta.parent for info in self.list()}, fractions, seed)

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
        if path.exists() and read_whole(path, _ASIDE) != content:
            self._copy_to_trash(meta.id)
        return path, content

    def _copy_to_trash(self, episode_id: str) -> None:
        """Move the present version of an episode to the trash, before it is replaced."""
        content = read_whole(episode_path(self.path, episode_id), _ASIDE)
        write_atomic(next_trash_path(self.path, episode_id), content)

    def _check_task(self, meta: EpisodeMeta) -> None:
        if self.task not in (MIXED, meta.task):
            raise InvalidValueError(
                f"episode for dataset {self.path.name}", f"task {meta.task!r}", f"task {self.task!r}"
            )


def _id_of(path: Path) -> str:
    return path.name.removesuffix(EPISODE_SUFFIX)


def _read_manifest(path: Path) -> tuple[str, str]:
    """Return the task and the time of making that a dataset.json holds."""
    advice = f'Its episodes are untouched: write {{"format": {FORMAT}, "task": "{MIXED}", "created": ""}} into it.'
    manifest = read_json(path, dict, advice)
    version = manifest.get("format")
    task, created = manifest.get("task"), manifest.get("created")
    if version == FORMAT and isinstance(task, str) and isinstance(created, str):
        return task, created
    if version == FORMAT or not isinstance(version, int):
        raise CorruptFileError(path, "it does not tell format, task and time of making", advice)
    raise VersionError(path.parent, version, FORMAT, "Read it with the version of robo-rlhf that wrote it.")
