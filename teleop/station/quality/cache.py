"""The cached quality reports of answers; a separate process computes newer ones."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.errors import WorkerDiedError
from teleop.station.background.worker_queue import WorkerQueue

LEAST_AGE, COSTS = 2.0, 5.0  # [s], and times its own cost, that a report is old before it is made anew
_log = logging.getLogger("robo_rlhf.station")


class ReportKey(NamedTuple):
    """The answers that a report covers."""

    run: str | None
    task: str | None


class QualityReport(NamedTuple):
    """A computed report."""

    content: dict[str, Any]  # {"error"} where it could not be
    made: float  # [s since 1970]
    seconds: float  # that it took


class QualityCache:
    """Reports by what they are about; safe to use from several threads. Asking never waits."""

    def __init__(self, database: str | Path, mark: Callable[[], int]) -> None:
        """Judge the answers in `database`; `mark` grows with every answer."""
        self._mark = mark
        self._known: dict[ReportKey, QualityReport] = {}
        self._asked: set[ReportKey] = set()
        self._lock = threading.Lock()
        self._background = WorkerQueue(
            "judging answers", "teleop.station.quality.worker:start", self._judge, str(database)
        )

    def of(self, chosen: ReportKey, *, anew: bool = False) -> dict[str, Any]:
        """Return the cached report, and queue a new one where there are newer answers, or where `anew` asks for it.

        Returns:
            "report", None where nothing is known yet; "made" [s since 1970]; "newer", how many answers came since;
            "working", whether it is being computed.
        """
        mark = self._mark()
        with self._lock:
            known = self._known.get(chosen)
            newer = mark - known.content.get("mark", 0) if known else 0
            age = time.time() - known.made if known else 0.0
            stale = known is None or anew or (newer > 0 and age > max(LEAST_AGE, COSTS * known.seconds))
            if stale and chosen not in self._asked:
                self._asked.add(chosen)
                self._background.put(chosen)
            return {
                "report": known.content if known else None,
                "made": known.made if known else 0.0,
                "newer": newer,
                "working": chosen in self._asked,
            }

    def close(self) -> None:
        """End the process."""
        self._background.close()

    def _judge(self, chosen: ReportKey) -> None:
        """Work out one report."""
        begun = time.monotonic()
        try:
            content = self._background.ask(tuple(chosen))
        except WorkerDiedError as error:
            content = {"error": "The process that judges answers ended. It is started again with the next look."}
            if not self._background.closed:
                _log.warning("the process that judges answers ended: %s", error)
        with self._lock:
            self._asked.discard(chosen)
            self._known[chosen] = QualityReport(content, time.time(), time.monotonic() - begun)
