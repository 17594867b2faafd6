"""Episodes that another program wrote, as episodes of ours: units, names, ids, and what has no place is said."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Source
from robo_rlhf.data.schema import Timing
from robo_rlhf.formats.base import ImportOptions, broken, widened
from robo_rlhf.formats.scaling import Scaling


@dataclass(frozen=True)
class Foreign:
    """One such episode, as read: T rows, each what was observed and the action that followed."""

    index: int  # its number at its place
    path: Path  # the file that it was read from
    obs: Array  # (T, obs_dim) float64; (T+1, obs_dim) where the observation after the last step is known
    action: Array  # (T, act_dim) float64, in the units of its origin
    reward: Array | None = None  # (T,)
    success: Array | None = None  # (T+1,) bool; None where nothing is said
    corrected: Array | None = None  # (T,) bool, steps in which a person took over
    signals: Mapping[str, Array] = field(default_factory=dict)  # name → (T, k)
    instruction: str = ""
    seed: int = 0


@dataclass(frozen=True)
class ForeignSet:
    """What is the same for all episodes of a place."""

    form: str
    place: Path
    options: ImportOptions
    notes: Callable[[str], object]
    control_dt: float  # [s]
    scaling: Scaling | None
    marks_success: bool
    task: str = ""  # where the place has a name for it
    obs_parts: tuple[str, ...] = ()
    obs_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    instructions: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Say what is taken for granted."""
        if self.scaling is not None:
            self.notes("actions are scaled to [-1, 1] by their range; an export gives their own units back")
        if not self.marks_success:
            self.notes(f"nothing says whether an episode succeeded: each counts as {self.options.outcome} (--assume)")

    def episode(self, found: Foreign) -> tuple[Episode, Timing]:
        """Return an episode of ours.

        Raises:
            CorruptFileError: its arrays do not fit each other.
        """
        steps = len(found.action)
        if not steps:
            raise broken(found.path, "no steps", found.index)
        if len(found.obs) not in (steps, steps + 1):
            raise broken(found.path, f"{len(found.obs)} observations and {steps} actions", found.index)
        obs = widened(found.obs) if len(found.obs) == steps else found.obs.astype(np.float32)
        success = found.success
        outcome = self.options.outcome
        if success is None:
            success = np.zeros(steps + 1, np.bool_)
            success[-1] = outcome == "success"
        else:
            outcome = "success" if success.any() else "failure"
        source = np.full(steps, int(Source.HUMAN), np.uint8)
        if found.corrected is not None:
            source = np.where(found.corrected, int(Source.CORRECTION), int(Source.POLICY)).astype(np.uint8)
        meta = EpisodeMeta(
            id=f"{plain(self.place.stem)}-{found.index:06d}",
            task=self.options.task or self.task or task_name(found.instruction) or plain(self.place.stem),
            seed=found.seed,
            control_dt=1 / self.options.control_hz if self.options.control_hz else self.control_dt,
            outcome=outcome,
            device=self.form,
            origin={"format": self.form, "place": str(self.place), "episode": str(found.index)},
            instruction=found.instruction,
            obs_names=self.obs_names,
            action_names=self.action_names,
            action_bounds=self.scaling.bounds if self.scaling else (),
        )
        reward = np.zeros(steps, np.float32) if found.reward is None else found.reward.astype(np.float32)
        try:
            made = Episode(
                obs=obs,
                action=self.scaling.scaled(found.action) if self.scaling else found.action.astype(np.float32),
                state=np.zeros((steps + 1, 0)),
                reward=reward,
                success=np.asarray(success, np.bool_),
                source=source,
                signals={plain(name): rows.astype(np.float32) for name, rows in found.signals.items()},
                meta=meta,
            )
        except InvalidValueError as error:
            raise broken(found.path, str(error), found.index) from error
        return made, Timing.unknown(steps)


def task_name(sentence: str) -> str:
    """Return a name for a task that is given in a sentence: "Pick up the cube." is pick_up_the_cube."""
    return re.sub(r"[^a-z0-9]+", "_", sentence.lower()).strip("_")[:60].rstrip("_")


def plain(text: str) -> str:
    """Return a text as the name of an episode or column can be."""
    return re.sub(r"[^A-Za-z0-9._+=]+", "_", text).strip("._") or "set"
