"""One database for many writers: who writes at the same time shares one transaction, and one wait for the disk.

SQLite has one writer at a time. Threads that each began their own transaction would wait for the lock by sleeping, out
of order, and each for its own sync of the disk. Here the first one does the work of all who wait, each in a savepoint
of its own, and one commit makes all of it durable. PostgreSQL does the same by itself, so there each has its own.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from robo_rlhf.errors import BusyError
from robo_rlhf.feedback.engine import open_engine, transaction

T = TypeVar("T")
TOGETHER = 64  # pieces of work in one transaction
TRIES = 8  # of a transaction that PostgreSQL ends in favour of another
UNDONE = ("40P01", "40001")  # a deadlock, and what cannot be put in order


@dataclass(eq=False)
class _Job(Generic[T]):
    work: Callable[[sa.Connection], T]
    woken: threading.Event = field(default_factory=threading.Event)  # it is done, or its turn to do the work of all
    leads: bool = False
    done: bool = False
    result: T | None = None
    error: BaseException | None = None


class Database:
    """The feedback database, for reading and for writing."""

    def __init__(self, where: str | Path) -> None:
        """Open the database at `where`: the path of an SQLite file, or a URL such as postgresql://host/name."""
        self.engine, self.name = open_engine(where)
        self.shared = self.engine.dialect.name != "sqlite"  # several may write at once
        self._lock = threading.Lock()
        self._waiting: deque[_Job[Any]] = deque()
        self._led = False  # whether somebody does the work of those who wait

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Look at one state of the database."""
        with transaction(self.engine, write=False) as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in a transaction and return what it returned: then it is on the disk. All of it happens or none.

        `work` may be called again after the database has undone what it did, so it changes nothing else.

        Raises:
            BusyError: another program held the database too long, or it cannot be reached.
            DiskFullError: there is no room; nothing was written.
        """
        if self.shared:
            return self._alone(work)
        job: _Job[T] = _Job(work)
        with self._lock:
            self._waiting.append(job)
            job.leads = not self._led
            self._led = True
        if not job.leads:
            try:
                job.woken.wait()
            except BaseException:
                self._leave(job)
                raise
        if not job.done:
            self._work_off()
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    def _alone(self, work: Callable[[sa.Connection], T]) -> T:
        for attempt in range(TRIES):
            try:
                with transaction(self.engine, write=True) as connection:
                    return work(connection)
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", "") not in UNDONE or attempt == TRIES - 1:
                    raise
                time.sleep(random.uniform(0.0, 0.02) * 2**attempt)
        raise AssertionError("unreachable")

    def _work_off(self) -> None:
        """Do the work of those who wait longest, oneself first; then it is another's turn."""
        with self._lock:
            jobs = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        try:
            self._do(jobs)
        except BaseException as error:
            interrupted = BusyError(f"The database {self.name}", "the program was interrupted")
            for job in jobs:  # also where it went well: it was undone with the rest
                job.error = job.error or (error if isinstance(error, Exception) else interrupted)
            if not isinstance(error, Exception):
                raise
        finally:
            for job in jobs:
                job.done = True
                job.woken.set()
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()

    def _leave(self, job: _Job[Any]) -> None:
        """Somebody who waited was interrupted."""
        with self._lock:
            waits = job in self._waiting
            if waits:
                self._waiting.remove(job)
        if waits and job.leads:
            self._pass_on()

    def _do(self, jobs: list[_Job[Any]]) -> None:
        with transaction(self.engine, write=True) as connection:
            if len(jobs) == 1:
                jobs[0].result = jobs[0].work(connection)
                return
            for job in jobs:
                connection.exec_driver_sql("SAVEPOINT job")  # by hand: `begin_nested` costs as much as the work itself
                try:
                    job.result = job.work(connection)
                except sa.exc.OperationalError:
                    raise  # a full disk, for one, ends the whole transaction, not the savepoint alone
                except Exception as error:
                    job.error = error
                    connection.exec_driver_sql("ROLLBACK TO job")
                connection.exec_driver_sql("RELEASE job")
