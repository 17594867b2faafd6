"""The reward models that are learning from answers just now, for the annotators.

A call does not block: a thread reads the run folders, at limited intervals and only while there are callers.
"""

import threading
import time
from typing import Any

from teleop.station.monitor.runs import RunIndex, RunLine

FRESH = 0.7  # [s] that the folders are not looked at again


class LiveReward:
    """The newest figures of reward models that follow answers; safe to use from several threads."""

    def __init__(self, book: RunIndex) -> None:
        """Look into the runs of `book`."""
        self._book = book
        self._lock = threading.Lock()
        self._looking, self._looked = False, -FRESH
        self._known: list[RunLine] = []

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
        return describe_model(fits[0]) if fits else None

    def _refresh(self) -> None:
        try:
            found = [line for line in self._book.runs() if line.follows and line.state == "working"]
            with self._lock:
                self._known = found
        finally:
            with self._lock:
                self._looking, self._looked = False, time.monotonic()


def describe_model(line: RunLine) -> dict[str, Any]:
    """Return a model's figures for an annotator."""
    newest = line.newest
    return {
        "run": line.name,
        "answers": int(newest.get("answers", 0)),
        "accuracy": newest.get("held_out/accuracy"),
        "of": int(newest.get("held_out/sided", 0)),
    }
