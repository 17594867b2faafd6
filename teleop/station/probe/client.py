"""The station's client of the policy probe, which answers in a worker process (`teleop.policy_probe.worker`).

The process starts with the first question, and ends when none has come for a while. Of the questions of one page only
the newest of each kind is answered, and those about an action come before all others. A process that dies, or that
works on one question for too long, is replaced; the caller who waits for that question receives an error.
"""

import threading
from collections.abc import Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from robo_rlhf.core.errors import BusyError, NotNowError, WorkerDiedError
from teleop.policy_probe.messages import ActionQuery, Request, Result
from teleop.station.background.worker_queue import WorkerQueue

IDLE = 300.0  # [s] without a question, after which the process ends
LIMIT = 20.0  # [s] that one question may take
MOST = 32  # questions that wait at once
NICE = 5  # sessions that drive a robot come first
WHO = "The process that asks policies"
AGAIN = "Nothing was changed. A new process starts; ask again."


@dataclass(eq=False)
class _Question:
    request: Request
    who: Hashable
    future: "Future[Result]" = field(default_factory=Future)

    def settle(self, result: Result) -> None:
        with suppress(InvalidStateError):  # the caller has just left
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class ProbeClient:
    """Asks the process; safe to use from several threads."""

    def __init__(self, home: Path, *, idle: float = IDLE, limit: float = LIMIT) -> None:
        """Answer about the data home `home`; `idle` and `limit` are as IDLE and LIMIT."""
        self._limit = limit
        self._lock = threading.Lock()
        self._questions: list[_Question] = []  # those that wait, and those that are worked on
        self._begun: list[_Question] = []
        self._background: WorkerQueue[bool] = WorkerQueue(
            *("asking policies", "teleop.policy_probe.worker:start", self._work, home, limit), nice=NICE, rest=idle
        )

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        return self._background.pid

    @property
    def busy(self) -> bool:
        """Whether it works on a question."""
        return bool(self._begun)

    def warm(self) -> None:
        """Start the process where it does not run, before a user waits for it."""
        self._background.put(False)

    def ask(self, request: Request, who: Hashable) -> "Future[Result]":
        """Return a future of the answer; an older question of the same kind by `who` is not answered any more.

        Its `result()` raises the request's error, and NotNowError where a newer question took its place, or
        the process was lost.

        Raises:
            BusyError: too many questions wait.
        """
        asked = _Question(request, who)
        with self._lock:
            if self._background.closed:
                raise NotNowError("The station is being stopped", "Nothing was changed.")
            older = [one for one in self._questions if one.who == who and type(one.request) is type(request)]
            self._questions = [one for one in self._questions if not one.future.done() and one not in older]
            full = len(self._questions) >= MOST
            if not full:
                self._questions.append(asked)
        for one in older:
            one.fail(NotNowError("A newer question took the place of this one", "Nothing was changed."))
        if full:
            raise BusyError(WHO, f"{MOST} questions wait")
        self._background.put(True)
        return asked.future

    def close(self) -> None:
        """End the process; questions that wait are not answered."""
        self._background.close()
        for asked in self._questions:
            asked.fail(NotNowError("The station was stopped", "Nothing was changed."))

    def _work(self, asked: bool) -> None:
        """Answer the most urgent question, where one was asked; else only start the process."""
        if not asked:
            with suppress(WorkerDiedError):
                self._background.start()
        elif (question := self._take(look=True) or self._take(look=False)) is not None:
            self._answer(question)

    def _take(self, *, look: bool) -> _Question | None:
        """Return the oldest question that waits, of those about an action or of the rest."""
        with self._lock:
            for one in self._questions:
                if one not in self._begun and not one.future.done() and isinstance(one.request, ActionQuery) == look:
                    return one
        return None

    def _answer(self, question: _Question) -> None:
        """Answer a question, and those about an action that come meanwhile; stop where its caller has left."""
        self._begun.append(question)
        request: Request | None = question.request
        try:
            while not question.future.done():
                result: Result | None = self._background.ask(request, self._limit)
                if result is not None:
                    question.settle(result)
                while (look := self._take(look=True)) is not None:
                    self._answer(look)
                request = None
        except WorkerDiedError as error:
            rest = "and was ended" if error.late else "before it had an answer"
            question.fail(NotNowError(f"{WHO} {error.how} {rest}", AGAIN))
        except Exception as error:  # raised to the caller
            question.fail(error)
        finally:
            self._begun.remove(question)
            with self._lock, suppress(ValueError):
                self._questions.remove(question)
