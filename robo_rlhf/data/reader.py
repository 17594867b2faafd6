"""Reader: the episodes of a folder, as lists, as episodes and as training arrays."""

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from robo_rlhf.core.errors import CorruptFileError, RoboRlhfError, VersionError
from robo_rlhf.core.types import Episode, EpisodeMeta, Outcome, Source
from robo_rlhf.data.layout import EPISODE_SUFFIX, DataWarning, episode_path, is_id, names, not_found, quarantine
from robo_rlhf.data.recorded_videos import video_problems
from robo_rlhf.data.schema import Columns, Header, Timing, load_file, read_columns, read_header
from robo_rlhf.data.training_arrays.arrays import COLUMNS, TrainingData, collect

T = TypeVar("T")


class EpisodeInfo(NamedTuple):
    """An entry in a list of episodes."""

    meta: EpisodeMeta
    length: int  # steps T
    size: int  # [bytes] of its file

    @property
    def duration(self) -> float:
        """Length in simulated time [s]."""
        return self.length * self.meta.control_dt


class Verification(NamedTuple):
    """The result of checking every byte."""

    good: tuple[str, ...]  # ids
    problems: tuple[str, ...]  # a sentence for each damaged file, which is in the quarantine now


class Reader:
    """The closed episodes of a dataset's folder, which is read anew on every call."""

    def __init__(self, path: Path) -> None:
        """Read the dataset at `path`."""
        self.path = path
        self._known: dict[str, tuple[tuple[int, int, int], EpisodeInfo]] = {}  # by id, while the file is the same

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all episodes, sorted. Files whose names are not ids are skipped; `verify` reports them."""
        return tuple(sorted(filter(is_id, self._stems())))

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.ids())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of all episodes, sorted."""
        return iter(self.ids())

    def __contains__(self, episode_id: object) -> bool:
        """Whether there is an episode with this id."""
        return isinstance(episode_id, str) and episode_path(self.path, episode_id).exists()

    def require(self, episode_id: str) -> None:
        """Check that there is an episode with this id.

        Raises:
            NotFoundError: there is none; the message suggests the nearest id.
        """
        if episode_id not in self:
            raise self._missing(episode_id)

    def info(self, episode_id: str) -> EpisodeInfo:
        """Return the metadata of an episode, without its arrays; raises as `load`."""
        path = episode_path(self.path, episode_id)
        try:
            status = path.stat()
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
            if episode_id not in self._known or self._known[episode_id][0] != signature:
                header = read_header(path)
                self._known[episode_id] = (signature, EpisodeInfo(header.meta, header.steps, status.st_size))
        except FileNotFoundError:
            raise self._missing(episode_id) from None
        return self._known[episode_id][1]

    def header(self, episode_id: str) -> Header:
        """Return the footer of an episode: its metadata and the shapes of its columns; raises as `load`."""
        try:
            return read_header(episode_path(self.path, episode_id))
        except FileNotFoundError:
            raise self._missing(episode_id) from None

    def list(
        self,
        *,
        task: str | None = None,
        outcome: Outcome | None = None,
        operator: str | None = None,
        device: str | None = None,
        tag: str | None = None,
        min_length: int = 0,
        max_length: int | None = None,
    ) -> tuple[EpisodeInfo, ...]:
        """Return the episodes that meet all conditions, sorted by id; lengths are steps.

        Damaged files are moved to the quarantine with a `DataWarning`.
        """
        asked = {"task": task, "outcome": outcome, "operator": operator, "device": device}
        return tuple(
            info
            for info in self._tolerant(self.ids(), self.info)
            if all(value is None or getattr(info.meta, name) == value for name, value in asked.items())
            and (tag is None or tag in info.meta.tags)
            and min_length <= info.length
            and (max_length is None or info.length <= max_length)
        )

    def load(self, episode_id: str) -> Episode:
        """Return an episode, every byte of it checked.

        Raises:
            NotFoundError: there is none; the message suggests the nearest id.
            CorruptFileError: its file is damaged; `verify` moves it aside.
            VersionError: its file is of another version.
        """
        path = episode_path(self.path, episode_id)
        try:
            return load_file(path)
        except FileNotFoundError:
            raise self._missing(episode_id) from None

    def timing(self, episode_id: str) -> Timing:
        """Return when the steps of an episode were taken; raises as `load`."""
        columns, _ = self.read(episode_id, Timing._fields)
        return Timing(**columns)

    def load_all(self, ids: Iterable[str] | None = None) -> Iterator[Episode]:
        """Iterate over episodes (all where None); damaged ones are moved to the quarantine with a `DataWarning`."""
        return self._tolerant(self.ids() if ids is None else tuple(ids), self.load)

    def verify(self, ids: Iterable[str] | None = None) -> Verification:
        """Read every byte of episodes (all where None) and of their videos.

        Damaged episodes are moved to the quarantine with a warning; damaged videos stay where they are, with one.
        """
        problems: list[str] = []
        wanted = self.ids() if ids is None else tuple(ids)
        good = []
        for episode in self._tolerant(wanted, self.load, problems.append):
            good.append(episode.meta.id)
            problems += video_problems(episode.meta, self.path)
        if ids is None:
            strange = sorted(name + EPISODE_SUFFIX for name in self._stems() if not is_id(name))
            problems += [
                f"{self.path / 'episodes' / name}: its name is no episode id; it is left out." for name in strange
            ]
        for problem in problems:
            _warn(problem)
        return Verification(tuple(good), tuple(problems))

    def arrays(
        self,
        ids: Iterable[str] | None = None,
        *,
        idle: int | None = None,
        sources: Collection[Source] | None = None,
    ) -> TrainingData:
        """Return the steps of episodes (all where None) as flat arrays; see `arrays.collect`.

        Damaged episodes are moved to the quarantine with a `DataWarning`.
        """
        wanted = self.ids() if ids is None else tuple(ids)
        episodes = list(self._tolerant(wanted, lambda episode_id: self.read(episode_id, COLUMNS)))
        return collect(episodes, idle=idle, sources=sources)

    def read(self, episode_id: str, columns: Collection[str] | None = None) -> tuple[Columns, Header]:
        """Return columns of an episode (all where None; see `schema`) and its header; raises as `load`."""
        path = episode_path(self.path, episode_id)
        try:
            return read_columns(path, columns)
        except FileNotFoundError:
            raise self._missing(episode_id) from None

    def _stems(self) -> Iterator[str]:
        return (entry.name.removesuffix(EPISODE_SUFFIX) for entry in names(self.path / "episodes", EPISODE_SUFFIX))

    def _missing(self, episode_id: str) -> RoboRlhfError:
        advice = f"`robo-rlhf episodes list --dataset {self.path.name}` shows what there is."
        return not_found(f"episode in dataset {self.path.name}", episode_id, self.ids(), advice)

    def _tolerant(
        self, ids: Iterable[str], read: Callable[[str], T], tell: Callable[[str], None] | None = None
    ) -> Iterator[T]:
        """Iterate over what `read` gives; damaged files go to the quarantine, and `tell` (a warning) names them."""
        for episode_id in ids:
            try:
                yield read(episode_id)
            except CorruptFileError as error:
                (tell or _warn)(quarantine(self.path, episode_path(self.path, episode_id), str(error)))
            except VersionError as error:
                (tell or _warn)(f"{error} It is left out.")
            except OSError as error:
                (tell or _warn)(f"{episode_path(self.path, episode_id)}: {error.strerror}; it is left out.")


def _warn(sentence: str) -> None:
    warnings.warn(sentence, DataWarning, stacklevel=4)
