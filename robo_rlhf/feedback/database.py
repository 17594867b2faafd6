"""One database for many writers: who writes at the same time shares one transaction, and one wait for the disk.

SQLite has one writer at a time. Threads that each began their own transaction would wait for the lock by sleeping, out
of order, and each for its own sync of the disk. Here the first one does the work of all who wait, each in a savepoint
of its own, and one commit makes all of it durable. PostgreSQL does the same by itself, so there each has its own.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from robo_rlhf.feedback.engine import open_engine, transaction

T = TypeVar("T")
TOGETHER = 64  # pieces of work in one transaction
TRIES = 8  # of a transaction that PostgreSQL ends in favour of another
UNDONE = ("40P01", "40001")  # a deadlock, and what cannot be put in order


@dataclass
class _Job(Generic[T]):
    work: Callable[[sa.Connection], T]
    done: bool = False
    result: T | None = None
    error: BaseException | None = None


class Database:
    """The feedback database, for reading and for writing."""

    def __init__(self, where: str | Path) -> None:
        """Open the database at `where`: the path of an SQLite file, or a URL such as postgresql://host/name."""
        self.engine, self.name = open_engine(where)
        self.shared = self.engine.dialect.name != "sqlite"  # several may write at once
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._waiting: list[_Job[Any]] = []

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
        with self._turn:
            while not job.done:
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
        """Do the work of those who wait longest."""
        with self._lock:
            jobs, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        try:
            self._do(jobs)
        except BaseException as error:
            for job in jobs:
                job.error = job.error or error  # also where it went well: it was undone with the rest
            if not isinstance(error, Exception):
                raise
        finally:
            for job in jobs:
                job.done = True

    def _do(self, jobs: list[_Job[Any]]) -> None:
        with transaction(self.engine, write=True) as connection:
            if len(jobs) == 1:
                jobs[0].result = jobs[0].work(connection)
                return
            for job in jobs:
                try:
                    with connection.begin_nested():
                        job.result = job.work(connection)
                except sa.exc.OperationalError:
                    raise  # a full disk, for one, ends the whole transaction, not the savepoint alone
                except Exception as error:
                    job.error = error
