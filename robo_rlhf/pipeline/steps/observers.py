"""Progress callbacks of the pipeline, and a log of the true reward: nothing here influences training."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.json_lines import sealed_lines
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Step


class Observer(Protocol):
    """Callbacks for the progress of the pipeline."""

    def begin(self, stage: str) -> None:
        """A stage starts, or resumes."""
        ...

    def progress(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        """`done` of `total` units of the stage are finished."""
        ...

    def end(self, stage: str, result: Mapping[str, Any]) -> None:
        """A stage is finished, now or in an earlier session."""
        ...


class NullObserver:
    """Ignores all callbacks."""

    def begin(self, stage: str) -> None:
        """Do nothing."""

    def progress(self, done: int, total: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def end(self, stage: str, result: Mapping[str, Any]) -> None:
        """Do nothing."""


class TrueRewardLog:
    """Writes the task reward and success of the learner's own episodes to truth.jsonl, for the report alone."""

    def __init__(self, run: Run, num_envs: int) -> None:
        """Log into the folder of `run`."""
        self.run, self.path = run, run.path / "truth.jsonl"
        self._reward, self._success = np.zeros(num_envs), np.zeros(num_envs, bool)

    def observe(self, iteration: int, t: int, step: Step) -> None:
        """Add up one step of an iteration."""
        if t == 0:
            self._reward, self._success = np.zeros(len(step.reward)), np.zeros(len(step.reward), bool)
        self._reward = self._reward + np.where(step.active, step.reward, 0.0)
        self._success = np.where(step.active, step.success, self._success)
        if step.faults:
            self._success[list(step.faults)] = False

    def log(self, iteration: int, policy: object, metrics: Mapping[str, float]) -> bool:
        """Write a row for the finished iteration; never stop the training."""
        row = {"step": iteration, "episodes": len(self._reward), "success": float(self._success.mean())}
        row |= {"return": float(self._reward.mean()), "return_std": float(self._reward.std())}
        rows = [r for r in truth_rows(self.run) if r["step"] < iteration]
        write_atomic(self.path, sealed_lines([*rows, row]))
        self.run.event("iteration", **row)
        return False


def truth_rows(run: Run) -> list[dict[str, float]]:
    """Return what `TrueRewardLog` wrote into a run, as `Run.metrics` does."""
    return run.metrics("truth.jsonl")
