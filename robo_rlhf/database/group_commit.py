"""Group commit: threads that write at the same time share one transaction, and one wait for the disk.

SQLite has one writer at a time. Threads that each began their own transaction would wait for the lock by sleeping, out
of order, and each for its own sync of the disk. Here the first thread does the work of all that wait, each in its own
savepoint, and one commit makes all of it durable.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from robo_rlhf.core.errors import BusyError
from robo_rlhf.database.engine import transaction

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
BATCH = 64  # pieces of work in one transaction


@dataclass(eq=False)
class _Job(Generic[T]):
    work: Work[T] | None  # None: the waiting thread does its own work when it is its turn
    woken: threading.Event | None = None  # of one that waits: it is done, or its turn to do the work of all
    leads: bool = False
    done: bool = False
    result: T | None = None
    error: BaseException | None = None


class GroupCommit:
    """The group of threads that write to one SQLite database."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        """Write to `engine`, which is called `name`."""
        self._engine, self._name = engine, name
        self._lock = threading.Lock()
        self._waiting: deque[_Job[Any]] = deque()
        self._led = False  # whether a thread is doing the work of those that wait

    def write(self, work: Work[T]) -> T:
        """Do `work`, in this thread or in the leading one, and return its result."""
        job: _Job[T] = _Job(work)
        self._wait(job)
        if not job.done:
            self._run_batch()
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    def acquire(self) -> None:
        """Wait until no other thread writes; none will until `pass_on`."""
        job: _Job[None] = _Job(None)
        self._wait(job)
        with self._lock:
            self._waiting.remove(job)

    def release(self) -> None:
        """Let the next one write."""
        with self._lock:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].leads = True
                _wake(self._waiting[0])

    def _wait(self, job: _Job[Any]) -> None:
        """Wait until a job is done, or leads."""
        with self._lock:
            self._waiting.append(job)
            job.leads = not self._led
            job.woken = None if job.leads else threading.Event()  # which costs as much as a lookup in the database
            self._led = True
        if job.woken is not None:
            try:
                job.woken.wait()
            except BaseException:
                self._withdraw(job)
                raise

    def _run_batch(self) -> None:
        """Do the oldest waiting jobs, this thread's first; then it is another thread's turn."""
        jobs: list[_Job[Any]] = []
        with self._lock:
            while self._waiting and len(jobs) < BATCH and self._waiting[0].work is not None:
                jobs.append(self._waiting.popleft())
        try:
            self._do(jobs)
        except BaseException as error:
            interrupted = BusyError(f"The database {self._name}", "the program was interrupted")
            for job in jobs:  # also where it went well: it was undone with the rest
                job.error = job.error or (error if isinstance(error, Exception) else interrupted)
            if not isinstance(error, Exception):
                raise
        finally:
            for job in jobs:
                job.done = True
                _wake(job)
            self.release()

    def _withdraw(self, job: _Job[Any]) -> None:
        """A thread was interrupted while it waited."""
        with self._lock:
            waits = job in self._waiting
            if waits:
                self._waiting.remove(job)
        if waits and job.leads:
            self.release()

    def _do(self, jobs: list[_Job[Any]]) -> None:
        with transaction(self._engine, write=True) as connection:
            if len(jobs) == 1:
                jobs[0].result = cast(Work[Any], jobs[0].work)(connection)
                return
            for job in jobs:
                job.result, job.error = attempt(connection, cast(Work[Any], job.work))


def _wake(job: _Job[Any]) -> None:
    if job.woken is not None:
        job.woken.set()


def attempt(connection: sa.Connection, work: Work[T]) -> tuple[T | None, Exception | None]:
    """Do one of several pieces of work in a transaction; return its result, and what it raised: then it is undone.

    Raises:
        sa.exc.OperationalError: a full disk, for example, ends the whole transaction, not only the one piece of work.
    """
    connection.exec_driver_sql("SAVEPOINT job")  # by hand: `begin_nested` costs as much as the work itself
    result, failed = None, None
    try:
        result = work(connection)
    except sa.exc.OperationalError:
        raise
    except Exception as error:
        failed = error
        connection.exec_driver_sql("ROLLBACK TO job")
    connection.exec_driver_sql("RELEASE job")
    return result, failed
