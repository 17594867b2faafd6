"""The station's client of the policy probe's process (`teleop.policy_probe.worker`).

The process starts with the first question, and ends when none has come for a while. Of the questions of
one page only the newest of each kind is answered. A process that dies, or that works on one question for too long, is
replaced; the waiting callers receive an error.
"""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path

from robo_rlhf.core.errors import BusyError, NotNowError
from teleop.ipc.channel import Channel
from teleop.policy_probe.messages import (
    Cancel,
    ProbeReady,
    QueryDone,
    QueryFailed,
    QueryStarted,
    QueuedQuery,
    Request,
    Result,
)

IDLE = 300.0  # [s] without a question, after which the process ends
LIMIT = 20.0  # [s] that one question may take, once the process is ready
START = 60.0  # [s] that it may take to be ready
CHECK_INTERVAL = 0.25  # [s] between looks after it
MOST = 32  # questions that wait at once
PATIENCE = 2.0  # [s] for it to end by itself
AGAIN = "Nothing was changed. A new process starts; ask again."
Key = tuple[Hashable, type]


class ProbeClient:
    """Asks the process; safe to use from several threads."""

    def __init__(self, home: Path, *, idle: float = IDLE, limit: float = LIMIT) -> None:
        """Answer about the data home `home`; `idle` and `limit` are as IDLE and LIMIT."""
        self._home, self._idle, self._limit = home, idle, limit
        self._lock = threading.RLock()
        self._mind: _Process | None = None
        self._numbers = itertools.count(1)
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        with self._lock:
            return self._mind.pid if self._mind is not None and self._mind.alive else None

    @property
    def busy(self) -> bool:
        """Whether it works on a question."""
        with self._lock:
            return self._mind is not None and self._mind.busy

    def warm(self) -> None:
        """Start the process where it does not run, before a user waits for it."""
        with self._lock:
            self._process()

    def ask(self, request: Request, who: Hashable) -> "Future[Result]":
        """Return a future of the answer; an older question of the same kind by `who` is not answered any more.

        Its `result()` raises the request's error, and NotNowError where a newer question took its place, or
        the process was lost.

        Raises:
            BusyError: too many questions wait.
        """
        future: Future[Result] = Future()
        with self._lock:
            process, key = self._process(), (who, type(request))
            process.replace(key)
            if process.waiting >= MOST:
                raise BusyError("The process that asks policies", f"{MOST} questions wait")
            number = next(self._numbers)
            process.put(QueuedQuery(number, request), key, future)
        future.add_done_callback(lambda done: process.leave(number) if done.cancelled() else None)
        return future

    def close(self) -> None:
        """End the process; questions that wait are not answered."""
        with self._lock:
            self._closed = True
            process, self._mind = self._mind, None
        if process is not None:
            process.end("The station was stopped", "Nothing was changed.")

    def _process(self) -> "_Process":
        if self._closed:
            raise NotNowError("The station is being stopped", "Nothing was changed.")
        if self._mind is None or not self._mind.alive:
            self._mind = _Process(self._home, self._idle, self._limit)
        return self._mind


class _Process:
    """One process, from its start to its end."""

    def __init__(self, home: Path, idle: float, limit: float) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "teleop.policy_probe.worker", str(theirs.fileno()), str(home)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # the terminal's Ctrl-C is for the station, which then ends this
            )
        self.pid, self.alive = self._process.pid, True
        self._idle, self._limit = idle, limit
        self._lock = threading.RLock()
        self._waiting: dict[int, tuple[Key, Future[Result]]] = {}
        self._ready = False
        self._busy: int | None = None  # the question that it works on
        self._heard = self._asked = time.monotonic()  # [s] of its last message; of the last question
        self._ended = threading.Event()
        self._channel = Channel(ours, self._on_message, self._gone)
        threading.Thread(target=self._watch, name="thinking", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many questions wait for an answer."""
        with self._lock:
            return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether it works on a question."""
        with self._lock:
            return self.alive and self._busy is not None

    def put(self, asked: QueuedQuery, key: Key, future: "Future[Result]") -> None:
        """Ask something."""
        with self._lock:
            self._waiting[asked.number] = key, future
            self._asked = time.monotonic()
        if not self._channel.send(asked):
            self._lose("was lost")

    def replace(self, key: Key) -> None:
        """Do not answer an older question of the same page and kind any more."""
        with self._lock:
            old = [number for number, (other, _) in self._waiting.items() if other == key]
        for number in old:
            self._fail(number, NotNowError("A newer question took the place of this one", "Nothing was changed."))
            self._channel.send(Cancel(number))

    def leave(self, number: int) -> None:
        """The caller has left."""
        with self._lock:
            known = self._waiting.pop(number, None)
        if known is not None:
            self._channel.send(Cancel(number))

    def end(self, what: str, advice: str) -> None:
        """End the process, and raise the reason to the waiting callers."""
        with self._lock:
            self.alive = False
            left = list(self._waiting)
        for number in left:
            self._fail(number, NotNowError(what, advice))
        self._channel.finish()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._ended.set()
        self._channel.close()

    def _on_message(self, message: object) -> None:
        with self._lock:
            self._heard = time.monotonic()
            if isinstance(message, ProbeReady):
                self._ready = True
            elif isinstance(message, QueryStarted):
                self._busy = message.number
            elif isinstance(message, QueryDone | QueryFailed):
                self._busy = None
        if isinstance(message, QueryDone):
            self._settle(message.number, message.result)
        elif isinstance(message, QueryFailed):
            self._fail(message.number, message.error())

    def _gone(self) -> None:
        self._lose("ended")

    def _lose(self, how: str) -> None:
        """Raise an error to all waiting callers: the process was lost."""
        with self._lock:
            self.alive = False
            left = list(self._waiting)
        for number in left:
            self._fail(number, NotNowError(f"The process that asks policies {how} before it had an answer", AGAIN))

    def _settle(self, number: int, result: Result) -> None:
        with self._lock:
            known = self._waiting.pop(number, None)
        if known is not None:
            with suppress(InvalidStateError):  # the caller has just left
                known[1].set_result(result)

    def _fail(self, number: int, error: Exception) -> None:
        with self._lock:
            known = self._waiting.pop(number, None)
        if known is not None:
            with suppress(InvalidStateError):
                known[1].set_exception(error)

    def _watch(self) -> None:
        """End the process where it hangs, or where no question has come for a while."""
        while self.alive and not self._ended.wait(CHECK_INTERVAL):
            now = time.monotonic()
            with self._lock:
                quiet = now - self._heard
                late = quiet > self._limit if self._ready and self._busy is not None else False
                late = late or (not self._ready and quiet > START)
                alone = not self._waiting and now - self._asked > self._idle
            if late:
                self._process.kill()
                self._lose(f"gave no answer for {quiet:.0f} s and was ended")
            elif alone:
                self.end("It was idle for a while", "Ask again.")
        if not self._ended.is_set():
            self.end("The process that asks policies ended", AGAIN)
