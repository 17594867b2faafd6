"""Writing from an event loop: tasks that wait for the database take no thread, and share transactions.

A server that gives every request its own thread spends most of its time on passing Python's lock among them: each
statement gives it up, and gets it back up to 5 ms later while the event loop is busy. A commit, with its wait for the
disk, costs as much as the work of one request; and transactions side by side wait for each other's rows.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from robo_rlhf.core.errors import BusyError
from robo_rlhf.database.engine import ATTEMPTS, open_async, transaction, translate_errors, was_rolled_back
from robo_rlhf.database.group_commit import BATCH, GroupCommit, Work

T = TypeVar("T")
SERVER_BATCH = 16  # pieces of work in a transaction of a server, where others may wait for the rows that it holds
_Begun = tuple[AbstractContextManager[sa.Connection], sa.Connection]
_RunInTransaction = Callable[[Work[Any]], Awaitable[Any]]


@dataclass(eq=False)
class _Request(Generic[T]):
    work: Work[T]
    alone: bool
    future: "asyncio.Future[T]"
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Wake the waiting task, unless it was cancelled."""
        if self.future.done():
            return
        if isinstance(self.error, Exception):
            self.future.set_exception(self.error)
        elif self.error is not None:
            self.future.cancel()
        else:
            self.future.set_result(self.result)


def _undone(error: Exception) -> bool:
    return isinstance(error, sa.exc.OperationalError) and was_rolled_back(error)


def _lost(error: Exception) -> bool:
    """Whether a connection was found to be broken: the pool makes new ones when the server is back."""
    cause = error.__cause__
    return isinstance(error, BusyError) and isinstance(cause, sa.exc.DBAPIError) and cause.connection_invalidated


class _RefusedError(Exception):
    """One piece of work raised its cause: the transaction was undone for all."""


class AsyncWriter(ABC):
    """The writer of one event loop: one transaction after another, each for all jobs that wait or arrive meanwhile."""

    def __init__(self, most: int) -> None:
        """Do at most so many pieces of work in a transaction."""
        self._most = most
        self._waiting: deque[_Request[Any]] = deque()
        self._task: asyncio.Task[None] | None = None  # the task that does them, while any job waits

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[_RunInTransaction]:
        """Return a new transaction, as a function that does a piece of work in it."""

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Return what `work` finds in one state of the database."""

    async def write(self, work: Work[T], *, alone: bool = False) -> T:
        """Do `work` and return its result: then it is on the disk. It is done even if the waiting task is cancelled.

        All of it happens or none; it may be done again after it was undone, where others shared its transaction.
        Work that is to be done `alone` shares its transaction with no other.
        """
        loop = asyncio.get_running_loop()
        asked: _Request[T] = _Request(work, alone, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._run_queue())
        return await asked.future

    async def close(self) -> None:
        """Finish what was asked for, before the event loop ends."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run_queue(self) -> None:
        try:
            while self._waiting:
                asked = [self._waiting.popleft()]
                try:
                    await self._process(asked, alone=asked[0].alone)
                finally:
                    for one in asked:
                        one.settle()
        finally:
            self._task = None  # at once: later callers start another one

    async def _process(self, asked: list[_Request[Any]], *, alone: bool = False) -> None:
        """Do the jobs that wait, and those that arrive meanwhile unless `alone`; note in each its result."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return await self._run_batch(asked, alone)
            except _RefusedError as refused:
                if len(asked) > 1:
                    for one in asked:  # it must not affect the others
                        await self._process([one], alone=True)
                else:
                    asked[0].error = refused.__cause__
                return None
            except Exception as error:
                if not left or not ((_lost(error) and left == ATTEMPTS - 1) or _undone(error)):
                    return self._fail(asked, error, alone)
                await asyncio.sleep(random.uniform(0.0, 0.02) * 2 ** (ATTEMPTS - left))
            except BaseException as error:
                self._fail(asked, error, alone)
                raise

    def _fail(self, asked: list[_Request[Any]], error: BaseException, alone: bool) -> None:
        if isinstance(error, BusyError) and not alone:
            asked.extend(self._waiting)  # they have waited as long
            self._waiting.clear()
        for one in asked:
            one.error = error

    async def _run_batch(self, asked: list[_Request[Any]], alone: bool) -> None:
        async with self.transaction() as do:
            for one in asked:  # it grows
                try:
                    one.result = await do(one.work)
                except sa.exc.OperationalError:
                    raise  # a full disk, for example, concerns all
                except Exception as error:
                    raise _RefusedError from error
                await asyncio.sleep(0)  # let other tasks of the event loop run
                if self._waiting and len(asked) < self._most and not (alone or self._waiting[0].alone):
                    asked.append(self._waiting.popleft())


class SqliteAsyncWriter(AsyncWriter):
    """For SQLite, which has one writer at a time.

    The work is done in the event loop, piece by piece. Only what may have to wait is done in a thread: getting the
    lock, and the disk.
    """

    def __init__(self, engine: sa.Engine, group_commit: GroupCommit, thread: Executor) -> None:
        """Write to `engine` when `group_commit` says so, and wait in a thread of `thread`."""
        super().__init__(BATCH)
        self._engine, self._group_commit, self._thread = engine, group_commit, thread

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_RunInTransaction]:
        """Begin when no other writer is active."""
        context, connection = await self._begun()

        async def do(work: Work[T]) -> T:
            return work(connection)

        try:
            yield do
        except BaseException as error:
            self._end(context, error)
            raise
        await asyncio.wrap_future(self._thread.submit(self._end, context, None))

    async def read(self, work: Work[T]) -> T:
        """Read at once: readers never wait."""
        with transaction(self._engine, write=False) as connection:
            return work(connection)

    async def _begun(self) -> _Begun:
        begun = self._thread.submit(self._begin)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(self._give_up)
            raise

    def _give_up(self, begun: "Future[_Begun]") -> None:
        if not begun.cancelled() and begun.exception() is None:
            self._end(begun.result()[0], None)

    def _begin(self) -> _Begun:
        self._group_commit.acquire()
        try:
            context = transaction(self._engine, write=True)
            return context, context.__enter__()
        except BaseException:
            self._group_commit.release()
            raise

    def _end(self, context: AbstractContextManager[sa.Connection], error: BaseException | None) -> None:
        try:
            context.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        finally:
            self._group_commit.release()


class ServerAsyncWriter(AsyncWriter):
    """For a database server: the event loop waits for its answers."""

    def __init__(self, engine: sa.Engine) -> None:
        """Write where `engine` does, over separate connections."""
        super().__init__(SERVER_BATCH)
        self._named, self._engine = engine, open_async(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_RunInTransaction]:
        """Begin over a connection that is free."""
        with translate_errors(self._named):
            async with self._engine.connect() as connection, connection.begin():
                yield connection.run_sync

    async def read(self, work: Work[T]) -> T:
        """Look, over a connection that is free."""
        async with self.transaction() as do:
            result: T = await do(work)
            return result

    async def close(self) -> None:
        """Finish, and close the connections."""
        await super().close()
        await self._engine.dispose()
