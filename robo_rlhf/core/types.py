"""The core data types of the project: episodes, clips, environments, actors. Frozen, validated, numpy only."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from robo_rlhf.core.errors import InvalidValueError, ShapeError

Array = npt.NDArray[Any]
Outcome = Literal["success", "failure", "aborted"]
NO_FAULTS: Mapping[int, str] = MappingProxyType({})
NO_PICTURES: Mapping[str, Array] = MappingProxyType({})


class Source(enum.IntEnum):
    """The source of an action; stored for each step as uint8."""

    HUMAN = 0
    POLICY = 1
    SCRIPTED = 2
    CORRECTION = 3


@dataclass(frozen=True)
class RecordedVideo:
    """What one camera recorded of an episode: a file in the folder `videos` of its dataset."""

    file: str  # H.264 that browsers step through, at most 720 lines
    original: str  # as it was recorded; the same file where that is such a video already
    fps: float  # [1/s] of `file`
    frames: int  # that belong to the episode
    width: int  # [pixels] of the original
    height: int  # [pixels] of the original
    start: float = 0.0  # [s] into both files at which the episode begins


@dataclass(frozen=True)
class EpisodeMeta:
    """Metadata of an episode: everything but its arrays. JSON-serialisable."""

    id: str
    task: str
    seed: int
    control_dt: float  # [s]
    outcome: Outcome
    operator: str = ""  # a person's name, "scripted", or a run's
    device: str = ""  # browser, keyboard, scripted, policy, ...
    model_hash: str = ""  # identity of the scene, see `sim.identity`; empty for outside environments
    versions: Mapping[str, str] = field(default_factory=dict)  # robo_rlhf, mujoco, python; platform, processor
    started: str = ""  # ISO 8601, UTC
    finished: str = ""  # ISO 8601, UTC
    tags: tuple[str, ...] = ()
    note: str = ""
    parent: str = ""  # the episode that this one branched from, or was cut out of
    parent_step: int = 0  # the frame of the parent at which it branched
    obs_names: tuple[str, ...] = ()  # of the columns, where the environment names them and no task of ours does
    action_names: tuple[str, ...] = ()
    trimmed: bool = False  # instead of branching, it is steps of its parent, from frame `parent_step` on
    origin: Mapping[str, str] = field(default_factory=dict)  # where it came from: dataset and id, or format and place
    instruction: str = ""  # the task in a sentence, where no task of this program says it
    action_bounds: tuple[tuple[float, float], ...] = ()  # per column, what -1 and 1 are in units of the origin
    frames: Mapping[str, RecordedVideo] = field(default_factory=dict)  # by camera; empty where states are drawn
    marked: bool = False  # whether a person set the outcome; else the task's own measure, or the program, did


@dataclass(frozen=True)
class Episode:
    """One episode of T steps. State i is before action i; state T is after the last action."""

    obs: Array  # (T+1, obs_dim) float32
    action: Array  # (T, act_dim) float32 in [-1, 1], as applied
    state: Array  # (T+1, nstate) float64, MuJoCo integration state; (T+1, 0) for outside environments
    reward: Array  # (T,) float32 task reward; for evaluation and simulated teachers only
    success: Array  # (T+1,) bool
    source: Array  # (T,) uint8, see Source
    signals: Mapping[str, Array]  # name → (T, k) float32: what style measures are computed from
    meta: EpisodeMeta

    def __post_init__(self) -> None:
        """Check every shape, type and range.

        Raises:
            ShapeError: an array does not fit the others.
            InvalidValueError: a wrong type, or an action outside [-1, 1].
        """
        steps = self.action.shape[0] if self.action.ndim == 2 else -1
        if steps < 0:
            raise ShapeError("Episode.action", ("T", "act_dim"), self.action.shape)
        wanted: dict[str, tuple[tuple[object, ...], type]] = {
            "obs": ((steps + 1, "obs_dim"), np.float32),
            "action": ((steps, "act_dim"), np.float32),
            "state": ((steps + 1, "nstate"), np.float64),
            "reward": ((steps,), np.float32),
            "success": ((steps + 1,), np.bool_),
            "source": ((steps,), np.uint8),
        }
        for name, (shape, dtype) in wanted.items():
            _check_array(f"Episode.{name}", getattr(self, name), shape, dtype)
        for name, value in self.signals.items():
            _check_array(f"Episode.signals[{name!r}]", value, (steps, "k"), np.float32)
        if steps and not np.all(np.abs(self.action) <= 1.0):
            raise InvalidValueError(
                "Episode.action", f"a value of {np.abs(self.action).max():.3g}", "every value within [-1, 1]"
            )

    def __len__(self) -> int:
        """Return the number of steps T."""
        return int(self.action.shape[0])

    @property
    def duration(self) -> float:
        """Length in simulated time [s]."""
        return len(self) * self.meta.control_dt

    def slice(self, start: int, length: int, **meta: Any) -> "Episode":
        """Return steps [start, start + length) as an episode, with fields of `meta` replaced.

        Raises:
            InvalidValueError: the steps are not all in the episode.
        """
        if start < 0 or length < 0 or start + length > len(self):
            raise InvalidValueError(
                f"slice of episode {self.meta.id}",
                f"steps {start} to {start + length}",
                f"steps within 0 to {len(self)}",
            )
        end = start + length
        return Episode(
            obs=self.obs[start : end + 1],
            action=self.action[start:end],
            state=self.state[start : end + 1],
            reward=self.reward[start:end],
            success=self.success[start : end + 1],
            source=self.source[start:end],
            signals={name: value[start:end] for name, value in self.signals.items()},
            meta=replace(self.meta, **meta),
        )


class Observation(NamedTuple):
    """What a policy or a reward that sees is given: the columns, and the picture of every camera asked for."""

    columns: Array  # (N, obs_dim) float32
    pictures: Mapping[str, Array] = NO_PICTURES  # camera → (N, H, W, 3) uint8 RGB, the top row first


class Segment(NamedTuple):
    """Steps [start, start + length) of an episode: what a question shows a clip of."""

    episode_id: str
    start: int
    length: int


class Step(NamedTuple):
    """The result of one step of a VecEnv; leading axis N everywhere."""

    obs: Array  # (N, obs_dim) float32, after the step
    reward: Array  # (N,) float32 task reward; never shown to a learner that works on preferences
    success: Array  # (N,) bool, after the step
    applied: Array  # (N, act_dim) float32, the action as applied
    signals: Mapping[str, Array]  # name → (N, k) float32
    active: Array  # (N,) bool: False where an outside environment had already ended (its values then repeat)
    faults: Mapping[int, str] = NO_FAULTS  # copy → what its environment did that ended its episode, now or earlier


@runtime_checkable
class VecEnv(Protocol):
    """N copies of one task in lock step, with a fixed horizon and no autoreset."""

    name: str
    num_envs: int
    obs_dim: int
    act_dim: int
    horizon: int  # steps an episode
    control_dt: float  # [s]

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,) int; return obs (N, obs_dim). Copy i depends on seeds[i] alone."""
        ...

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim), clipped to [-1, 1], for one control step."""
        ...

    def get_state(self) -> Array:
        """Return the integration states (N, nstate) float64; (N, 0) where there are none."""
        ...

    def set_state(self, state: Array) -> Array:
        """Enter the states (N, nstate); return obs (N, obs_dim)."""
        ...

    def close(self) -> None:
        """Release what the environment holds."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Anything that chooses actions: a network, a person at a device, a script, a replay."""

    def reset(self, num_envs: int) -> None:
        """Forget everything; episodes start in `num_envs` copies."""
        ...

    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) float32 to actions (N, act_dim) float32 in [-1, 1]."""
        ...


class Command(NamedTuple):
    """The input of a device at one instant."""

    twist: Array  # (6,) in [-1, 1]: translation x y z, rotation about x y z, in the world frame
    gripper: float  # in [-1, 1]: -1 open, +1 closed
    buttons: frozenset[str] = frozenset()  # events since the last read: "keep", "discard", "pause", ...
    active: bool = True  # False while no input has arrived from the operator
    age: float = 0.0  # [s] since the input was made
    bank: int = 0  # of keys, where a robot has more joints than there are pairs of keys
    joints: Array | None = None  # (act_dim,) in [-1, 1]: what columns that are positions are to be; NaN: as before


def _check_array(what: str, value: Array, shape: tuple[object, ...], dtype: type) -> None:
    fits = value.ndim == len(shape) and all(
        isinstance(w, str) or w == n for w, n in zip(shape, value.shape, strict=False)
    )
    if not fits:
        raise ShapeError(what, shape, value.shape)
    if value.dtype != dtype:
        raise InvalidValueError(what, f"dtype {value.dtype}", f"dtype {np.dtype(dtype)}")
