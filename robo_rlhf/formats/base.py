"""What a format is: how to recognise a place that holds it, read its episodes, and write episodes in it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Outcome
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.data.schema import Columns, Timing, meta_from_json, to_episode
from robo_rlhf.sim.tasks import TASKS

_MEND = "Mend it where it was made, or leave it out."


class VideoPart(NamedTuple):
    """The frames of one camera in one episode, in a video that may hold more."""

    path: Path
    start: float = 0.0  # [s] into the file
    frames: int | None = None  # how many; all to the end where None
    rate: float | None = None  # [1/s] that the frames have by the metadata; the file's own where None
    pictures: tuple[Array, ...] = ()  # (H, W, 3) uint8 RGB, where the frames are no video; at `rate`


class Imported(NamedTuple):
    """One episode as it comes out of a place."""

    episode: Episode  # with its id
    timing: Timing
    videos: Mapping[str, VideoPart] = {}  # by camera


@dataclass(frozen=True)
class ImportOptions:
    """What an import takes for granted where the place does not say it."""

    task: str = ""  # the name of the task; where empty, what the place says
    outcome: Outcome = "success"  # of episodes that have no sign of success
    control_hz: float = 0.0  # steps a second, where the place does not say it
    metadata: Path | None = None  # a file of metadata beside videos


@dataclass(frozen=True)
class Export:
    """What is exported: episodes of one shape, with pictures that were drawn before."""

    reader: Reader
    infos: tuple[EpisodeInfo, ...]
    name: str  # of the dataset
    cameras: tuple[str, ...] = ()
    valid: float = 0.0  # share of the episodes that are kept for validation
    pictures: Path | None = None  # folder of drawn pictures: CAMERA/ID and the format's suffix
    tell: Callable[[int, int], object] = field(default=lambda done, total: None)

    @property
    def first(self) -> EpisodeMeta:
        """The metadata of the first episode, whose task all others have."""
        return self.infos[0].meta

    def episodes(self) -> Iterator[tuple[Episode, Timing]]:
        """Read one episode after another, every byte checked; report each."""
        for done, info in enumerate(self.infos, start=1):
            columns, header = self.reader.read(info.meta.id)
            yield to_episode(columns, header.meta), Timing(columns["wall_time"], columns["input_age"])
            self.tell(done, len(self.infos))

    def picture(self, camera: str, episode_id: str, suffix: str) -> Path:
        """Return the file with the pictures of one camera in one episode."""
        assert self.pictures is not None
        return self.pictures / camera / f"{episode_id}{suffix}"


class Format(ABC):
    """A format: recognised, read, and (where `pictures` is not empty) written.

    `read` runs in a helper process, since a damaged file may crash the library that reads it.
    """

    title: ClassVar[str]
    pictures: ClassVar[str] = ""  # how it wants pictures: ".mp4", or ".npy" of (T, H, W, 3); empty: it is only read

    @abstractmethod
    def recognises(self, place: Path) -> bool:
        """Whether a file or folder looks like this format, judged by names alone."""

    @abstractmethod
    def count(self, place: Path, options: ImportOptions) -> int:
        """Return how many episodes there are.

        Raises:
            CorruptFileError: the place is not what it looks like.
            MissingDependencyError: an extra that reads it is not installed.
        """

    @abstractmethod
    def read(self, place: Path, options: ImportOptions, notes: Callable[[str], object]) -> Iterator[Imported]:
        """Iterate over the episodes; `notes` receives sentences on what could not be taken over.

        Raises:
            CorruptFileError: names the file, the episode and the row.
        """

    def check(self, place: Path, export: Export) -> None:
        """Refuse what cannot be written, before anything is drawn.

        Raises:
            InvalidValueError: it cannot; so it is for every format that is only read.
            MissingDependencyError: an extra is not installed.
        """
        raise InvalidValueError(f"export to {place}", self.title, "a format that can be written")

    def write(self, export: Export, folder: Path, place: Path) -> Path:
        """Write episodes into an empty folder, to be named `place` later; return what goes there."""
        raise NotImplementedError


def broken(path: Path, reason: str, episode: object = None, row: int | None = None) -> CorruptFileError:
    """Return the error for a place whose content does not fit together; it names file, episode and row."""
    where = "" if episode is None else f"episode {episode}: " if row is None else f"episode {episode}, row {row}: "
    return CorruptFileError(path, f"{where}{reason}", _MEND)


def matrix(value: object, path: Path, what: str, episode: object) -> Array:
    """Return numbers with one row a step as (T, k) float64.

    Raises:
        CorruptFileError: they are no numbers, or not finite; the message names the row.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim < 1:
        raise broken(path, f"{what} holds {array.dtype} of shape {array.shape}, no rows of numbers", episode)
    flat = array.reshape(len(array), -1).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(flat).all(axis=1))
    if bad.size:
        raise broken(path, f"{what} is not finite", episode, int(bad[0]))
    if np.abs(flat).max(initial=0.0) > np.finfo(np.float32).max:
        raise broken(path, f"{what} has values that float32 cannot hold", episode)
    return flat


def widened(rows: Array) -> Array:
    """Return (T+1, k) float32 of (T, k): the observation after the last step was not recorded, so the last repeats."""
    return np.concatenate([rows, rows[-1:]]).astype(np.float32)


def exact(columns: Columns, meta: Mapping[str, object], path: Path, episode: object) -> tuple[Episode, Timing]:
    """Return an episode that this program exported, bit for bit.

    Raises:
        CorruptFileError: something is missing, or of another type or shape.
    """
    try:
        timing = Timing(columns["wall_time"], columns["input_age"])
        made = to_episode({n: v for n, v in columns.items() if n not in Timing._fields}, meta_from_json(meta))
    except (InvalidValueError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise broken(path, f"not as it was exported ({error})", episode) from error
    steps = len(made)
    if not steps or timing.wall_time.shape != (steps,) or timing.input_age.shape != (steps,):
        raise broken(path, "not as it was exported (no steps, or times that do not fit)", episode)
    return made, timing


def names_of(meta: EpisodeMeta, obs_dim: int, act_dim: int) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return the names of observation and action columns, and the task in a sentence: as recorded, or the task's."""
    obs, action, sentence = meta.obs_names, meta.action_names, meta.instruction
    if meta.task in TASKS:
        task = TASKS[meta.task]
        obs, action, sentence = obs or task.obs_names, action or task.action_names, sentence or task.instruction
    if len(obs) != obs_dim:
        obs = tuple(f"obs_{i}" for i in range(obs_dim))
    if len(action) != act_dim:
        action = tuple(f"action_{i}" for i in range(act_dim))
    return obs, action, sentence or meta.task
