"""The feedback database for many concurrent writers: threads, other programs, and tasks of an event loop."""

import asyncio
import random
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import sqlalchemy as sa

from robo_rlhf.database.async_writers import AsyncWriter, ServerAsyncWriter, SqliteAsyncWriter
from robo_rlhf.database.engine import ATTEMPTS, open_engine, transaction, was_rolled_back
from robo_rlhf.database.group_commit import GroupCommit, Work

T = TypeVar("T")
WRITERS_PER_QUEUE = 3  # writers of a line: a statement waits for the network and for its turn of the event loop
READERS = 1  # threads for long reads of an event loop: each further one competes for Python's lock


class Database:
    """The feedback database, for reading and for writing."""

    def __init__(self, where: str | Path) -> None:
        """Open the database at `where`: the path of an SQLite file, or a URL such as postgresql://host/name."""
        self.engine, self.name = open_engine(where)
        self.shared = self.engine.dialect.name != "sqlite"  # several may write at once
        self._group_commit = GroupCommit(self.engine, self.name)
        self._thread = ThreadPoolExecutor(1, "writing")  # threads start with the first one who needs them
        self._readers = ThreadPoolExecutor(READERS, "reading")
        self._async_writers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncWriter]] = (
            weakref.WeakKeyDictionary()
        )

    def close(self) -> None:
        """Release all connections; those of an event loop are released by `close_soon`."""
        self._thread.shutdown()
        self._readers.shutdown()
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read one consistent state of the database."""
        with transaction(self.engine, write=False) as connection:
            yield connection

    def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction and return its result: then it is on the disk. All of it happens or none.

        `work` may be called again after the database has undone what it did, so it changes nothing else.

        Raises:
            BusyError: another program held the database too long, or it cannot be reached.
            DiskFullError: there is no room; nothing was written.
        """
        if not self.shared:
            return self._group_commit.write(work)
        for left in reversed(range(ATTEMPTS)):
            try:
                with transaction(self.engine, write=True) as connection:
                    return work(connection)
            except sa.exc.OperationalError as error:
                if not (left and was_rolled_back(error)):
                    raise
                time.sleep(random.uniform(0.0, 0.02) * 2 ** (ATTEMPTS - left))
        raise AssertionError("unreachable")

    async def write_async(self, work: Work[T], *, line: str = "", of: str | None = None, alone: bool = False) -> T:
        """Do `work` as `write` does, without blocking the event loop: for short work of many callers at once.

        On a server, what is in different lines waits for nothing but rows; of two lines one at most may wait for them.
        With `of`, the name of a row that the work keeps others from, a line has several writers: what is of the same
        row is done by the same one, and so none of them waits for another. What may have to wait for rows that another
        writer of its line holds is done `alone`: its wait then delays no other work.
        """
        name = line if of is None else f"{line} {crc32(of.encode()) % WRITERS_PER_QUEUE}"
        return await self._here(name).write(work, alone=alone)

    async def read_async(self, work: Work[T]) -> T:
        """Return what `work` finds, in the event loop: for what takes well below a millisecond."""
        return await self._here("looks").read(work)

    def _here(self, line: str) -> AsyncWriter:
        lines = self._async_writers.setdefault(asyncio.get_running_loop(), {})
        line = line if self.shared else ""  # SQLite has one writer
        if line not in lines:
            lines[line] = (
                ServerAsyncWriter(self.engine)
                if self.shared
                else SqliteAsyncWriter(self.engine, self._group_commit, self._thread)
            )
        return lines[line]

    async def read_in_thread(self, work: Callable[[], T]) -> T:
        """Limit how many threads read the database beside the event loop, so that it keeps its share."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def close_async(self) -> None:
        """Finish and release what `write_soon` uses in this event loop."""
        for writer in self._async_writers.pop(asyncio.get_running_loop(), {}).values():
            await writer.close()
