"""A separate process for long work: a thread sends it one job after another, and ends it when idle."""

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from robo_rlhf.processes.worker import WorkerProcess

REST = 20.0  # [s] without work after which thread and process end
LIMIT = 600.0  # [s] that a question may take
NICE = 10  # niceness of the process
Work = TypeVar("Work")


class WorkerQueue(Generic[Work]):
    """A queue of jobs, its thread, and the worker process; safe to use from several threads.

    Both are started with the first job, and started again when there is one after a rest.
    """

    def __init__(
        self, what: str, target: str, do: Callable[[Work], None], *arguments: object, nice: int = NICE, rest: float = 0
    ) -> None:
        """Call `do` with each job, in a thread, where it may `ask` the process.

        Args:
            what: the work, as in `WorkerProcess`; so are `target`, its `arguments` and `nice`.
            target: what answers in the process.
            do: does a job.
            arguments: of the target.
            nice: niceness of the process.
            rest: [s] without work until both end; REST where 0.
        """
        self._do, self._rest = do, rest
        self._new = partial(WorkerProcess, what, target, *arguments, nice=nice)
        self._worker = self._new()
        self._work: queue.Queue[Work | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.closed = False

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        return self._worker.pid

    def put(self, work: Work) -> None:
        """Queue a job; after `close` none is run any more."""
        with self._lock:
            self._work.put(work)
            if self._thread is None and not self.closed:
                self._thread = threading.Thread(
                    target=self._run, args=(self._worker,), name="worker queue", daemon=True
                )
                self._thread.start()

    def start(self) -> None:
        """Start the process, where it does not run; called by the worker thread, as is `ask`; raises as it does."""
        self._worker.start()

    def ask(self, question: object, limit: float = LIMIT) -> Any:
        """Return the process's answer, for which it has `limit` [s].

        Raises:
            WorkerDiedError: it ended, or took too long; the next question starts it again.
            RoboRlhfError, RuntimeError: what else `WorkerProcess.ask` raises.
        """
        return self._worker.ask(question, limit)

    def close(self) -> None:
        """End the process, whatever it does, and the thread."""
        with self._lock:
            self.closed = True
            thread = self._thread
        self._worker.stop()
        self._work.put(None)
        if thread is not None:
            thread.join()

    def _run(self, worker: WorkerProcess) -> None:
        """Run the jobs, one after another, until there was none for a while."""
        try:
            while not self.closed:
                try:
                    work = self._work.get(timeout=self._rest or REST)
                except queue.Empty:
                    if self._let_go():
                        return
                    continue
                if work is not None and not self.closed:
                    self._do(work)
        finally:
            if worker is self._worker:
                self._let_go(whatever=True)
            worker.end()

    def _let_go(self, *, whatever: bool = False) -> bool:
        """Let the next job start a new thread and process, unless one waits already; return whether it is so."""
        with self._lock:
            if self._work.empty() or whatever:
                self._thread = None
                if not self.closed:
                    self._worker = self._new()
            return self._thread is None
