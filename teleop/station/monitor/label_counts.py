"""The number of a run's labels and their cost in time: of people and of simulated annotators, separately.

Counting continues from where it stopped, in a separate thread and a stretch of the table at a time, so no caller
waits for it: a caller gets the last count.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, questions

AT_ONCE = 50_000  # answers in a stretch
FRESH = 1.0  # [s] that a count is not made again
LONGEST = 120.0  # [s] that one answer counts for at most: longer ones are breaks
_log = logging.getLogger("robo_rlhf.station")


class LabelCounts:
    """Labels by run; safe to use from several threads."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """Count in the store that `store` returns."""
        self._store = store
        self._lock = threading.Lock()
        self._counting = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._made = -FRESH  # when the last count ended [s, monotonic]
        self._number = 0  # of the newest answer that is counted
        self._seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))  # run → kind → [s]
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, run: str) -> dict[str, Any] | None:
        """Return the last count of a run's labels; None while they are counted for the first time."""
        with self._lock:
            stale = run not in self._known or time.monotonic() - self._made > FRESH
            if stale and not self._counting and not self._closed:
                self._counting = True
                self._known.setdefault(run, {})
                self._thread = threading.Thread(target=self._count, name="labels", daemon=True)
                self._thread.start()
            return self._known.get(run) or None

    def close(self) -> None:
        """End counting."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None:
            thread.join()

    def _count(self) -> None:
        try:
            self.count()
        except Exception:
            _log.exception("labels could not be counted")
        finally:
            with self._lock:
                self._counting, self._made = False, time.monotonic()

    def count(self) -> None:
        """Count what is new, now."""
        store = self._store()
        newest = store.mark()
        while self._number < newest and not self._closed:
            stop = min(self._number + AT_ONCE, newest)
            for run, kind, seconds in self._stretch(store, stop):
                self._seconds[run][kind] += seconds
            self._number = stop
        for run in list(self._known) if not self._closed else ():
            counts, minutes = store.counts(run), self._seconds[run]["human"] / 60
            found = {**counts._asdict(), "minutes": minutes, "waiting": counts.questions - counts.answered}
            with self._lock:
                self._known[run] = found

    def _stretch(self, store: Store, stop: int) -> list[tuple[str, str, float]]:
        """Return the time that the answers up to `stop` took, by run and kind of annotator."""
        taken = sa.case((answers.c.response_time > LONGEST, LONGEST), else_=answers.c.response_time)
        query = sa.select(questions.c.run, answers.c.annotator_kind, sa.func.sum(taken))
        query = query.join(questions, questions.c.id == answers.c.question_id)
        query = query.where(
            answers.c.number > self._number, answers.c.number <= stop, answers.c.response_time.is_not(None)
        )
        with store.database.read() as connection:
            rows = connection.execute(query.group_by(questions.c.run, answers.c.annotator_kind)).all()
        return [(run, kind, float(seconds or 0)) for run, kind, seconds in rows]
