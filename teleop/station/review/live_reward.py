"""The reward models that are learning from answers just now, for the annotators.

A call does not block: a thread reads the run folders, at limited intervals and only while there are callers.
"""

import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from teleop.station.monitor.runs import RunIndex, RunLine

FRESH = 0.7  # [s] that the folders are not looked at again


class RewardLine(NamedTuple):
    """A reward model that follows answers."""

    name: str  # of its run
    task: str
    asked_by: str  # the run whose questions alone it learns from; empty: any
    changed: float  # [s since 1970]
    newest: Mapping[str, float]  # metrics
    taken: Mapping[str, Any] = MappingProxyType({})  # what the answers did: see `pipeline.steps.meanwhile`

    def described(self) -> dict[str, Any]:
        """Return the model's figures for an annotator."""
        return {
            "run": self.name,
            "answers": int(self.newest.get("answers", 0)),
            "accuracy": self.newest.get("held_out/accuracy"),
            "of": int(self.newest.get("held_out/sided", 0)),
            "taken": dict(self.taken),
        }


class LiveReward:
    """The newest figures of reward models that follow answers; safe to use from several threads."""

    def __init__(self, book: RunIndex) -> None:
        """Look into the runs of `book`."""
        self._book = book
        self._lock = threading.Lock()
        self._looking, self._looked = False, -FRESH
        self._known: list[RewardLine] = []

    def newest(self, run: str | None, task: str | None) -> dict[str, Any] | None:
        """Return the model that learns from answers to a run's questions, or about a task; None where none does."""
        with self._lock:
            if not self._looking and time.monotonic() - self._looked > FRESH:
                self._looking = True
                threading.Thread(target=self._refresh, name="live reward", daemon=True).start()
            known = self._known
        fits = [
            line
            for line in known
            if (task is None or line.task == task) and (run is None or line.asked_by in ("", run))
        ]
        fits.sort(key=lambda line: (line.asked_by != (run or ""), -line.changed))
        return fits[0].described() if fits else None

    def _refresh(self) -> None:
        try:
            found = [self._follows(line) for line in self._book.runs() if line.state in ("working", "waiting")]
            with self._lock:
                self._known = [line for line in found if line is not None]
        finally:
            with self._lock:
                self._looking, self._looked = False, time.monotonic()

    def _follows(self, line: RunLine) -> "RewardLine | None":
        """Return the reward model of a run that follows answers; None where it has none."""
        if line.follows:
            return (
                RewardLine(line.name, line.task, line.asked_by, line.changed, line.newest)
                if line.state == "working"
                else None
            )
        found = self._book.following(line.name)
        return RewardLine(line.name, line.task, line.name, line.changed, *found) if found else None
