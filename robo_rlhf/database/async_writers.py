"""Writing from an event loop: nobody who waits for the database takes a thread, and who waits shares a transaction.

A server that gives every request a thread of its own spends most of its time on passing Python's lock among them: each
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
from robo_rlhf.database.engine import TRIES, open_async, plain_errors, transaction, undone
from robo_rlhf.database.group_commit import TOGETHER, Turns, Work

T = TypeVar("T")
AT_ONCE = 16  # pieces of work in a transaction of a server, where others may wait for the rows that it holds
_Begun = tuple[AbstractContextManager[sa.Connection], sa.Connection]
_Do = Callable[[Work[Any]], Awaitable[Any]]


@dataclass(eq=False)
class _Asked(Generic[T]):
    work: Work[T]
    alone: bool
    future: "asyncio.Future[T]"
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Wake whoever waits, unless they have left."""
        if self.future.done():
            return
        if isinstance(self.error, Exception):
            self.future.set_exception(self.error)
        elif self.error is not None:
            self.future.cancel()
        else:
            self.future.set_result(self.result)


def _undone(error: Exception) -> bool:
    return isinstance(error, sa.exc.OperationalError) and undone(error)


def _lost(error: Exception) -> bool:
    """Whether a connection was found to be broken: the pool makes new ones where the server is there again."""
    cause = error.__cause__
    return isinstance(error, BusyError) and isinstance(cause, sa.exc.DBAPIError) and cause.connection_invalidated


class _RefusedError(Exception):
    """One piece of work raised its cause: the transaction was undone for all."""


class Soon(ABC):
    """How one event loop writes: one transaction after the other, each for all who wait and who come meanwhile."""

    def __init__(self, most: int) -> None:
        """Do at most so many pieces of work in a transaction."""
        self._most = most
        self._waiting: deque[_Asked[Any]] = deque()
        self._task: asyncio.Task[None] | None = None  # what works them off, while anybody waits

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[_Do]:
        """Return a new transaction, as what does a piece of work in it."""

    @abstractmethod
    async def read(self, look: Work[T]) -> T:
        """Return what `look` finds in one state of the database."""

    async def write(self, work: Work[T], *, alone: bool = False) -> T:
        """Do `work` and return what it returned: then it is on the disk. It is done also where who waits is cancelled.

        All of it happens or none; it may be done again after it was undone, where others shared its transaction.
        Nobody shares it with what is to be done `alone`.
        """
        loop = asyncio.get_running_loop()
        asked: _Asked[T] = _Asked(work, alone, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._work_off())
        return await asked.future

    async def close(self) -> None:
        """Finish what was asked for, before the event loop ends."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                asked = [self._waiting.popleft()]
                try:
                    await self._see_to(asked, alone=asked[0].alone)
                finally:
                    for one in asked:
                        one.settle()
        finally:
            self._task = None  # at once: whoever asks from now on starts another one

    async def _see_to(self, asked: list[_Asked[Any]], *, alone: bool = False) -> None:
        """Do what was asked for, and what comes meanwhile unless `alone`; note in each what became of it."""
        for left in reversed(range(TRIES)):
            try:
                return await self._together(asked, alone)
            except _RefusedError as refused:
                if len(asked) > 1:
                    for one in asked:  # the others are not to suffer for it
                        await self._see_to([one], alone=True)
                else:
                    asked[0].error = refused.__cause__
                return None
            except Exception as error:
                if not left or not ((_lost(error) and left == TRIES - 1) or _undone(error)):
                    return self._fail(asked, error, alone)
                await asyncio.sleep(random.uniform(0.0, 0.02) * 2 ** (TRIES - left))
            except BaseException as error:
                self._fail(asked, error, alone)
                raise

    def _fail(self, asked: list[_Asked[Any]], error: BaseException, alone: bool) -> None:
        if isinstance(error, BusyError) and not alone:
            asked.extend(self._waiting)  # they have waited as long
            self._waiting.clear()
        for one in asked:
            one.error = error

    async def _together(self, asked: list[_Asked[Any]], alone: bool) -> None:
        async with self.transaction() as do:
            for one in asked:  # it grows
                try:
                    one.result = await do(one.work)
                except sa.exc.OperationalError:
                    raise  # a full disk, for one, is the trouble of all
                except Exception as error:
                    raise _RefusedError from error
                await asyncio.sleep(0)  # others have their turn of the event loop
                if self._waiting and len(asked) < self._most and not (alone or self._waiting[0].alone):
                    asked.append(self._waiting.popleft())


class InTurns(Soon):
    """For SQLite, which has one writer at a time.

    The work is done in the event loop, piece by piece. Only what may have to wait is done in a thread: getting the
    lock, and the disk.
    """

    def __init__(self, engine: sa.Engine, turns: Turns, thread: Executor) -> None:
        """Write to `engine` when `turns` says so, and wait in a thread of `thread`."""
        super().__init__(TOGETHER)
        self._engine, self._turns, self._thread = engine, turns, thread

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Do]:
        """Begin when nobody else writes."""
        context, connection = await self._begun()

        async def do(work: Work[T]) -> T:
            return work(connection)

        try:
            yield do
        except BaseException as error:
            self._end(context, error)
            raise
        await asyncio.wrap_future(self._thread.submit(self._end, context, None))

    async def read(self, look: Work[T]) -> T:
        """Look at once: who reads waits for nobody."""
        with transaction(self._engine, write=False) as connection:
            return look(connection)

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
        self._turns.take()
        try:
            context = transaction(self._engine, write=True)
            return context, context.__enter__()
        except BaseException:
            self._turns.pass_on()
            raise

    def _end(self, context: AbstractContextManager[sa.Connection], error: BaseException | None) -> None:
        try:
            context.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        finally:
            self._turns.pass_on()


class OverConnection(Soon):
    """For a database server: the event loop waits for its answers."""

    def __init__(self, engine: sa.Engine) -> None:
        """Write where `engine` does, over connections of our own."""
        super().__init__(AT_ONCE)
        self._named, self._engine = engine, open_async(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Do]:
        """Begin over a connection that is free."""
        with plain_errors(self._named):
            async with self._engine.connect() as connection, connection.begin():
                yield connection.run_sync

    async def read(self, look: Work[T]) -> T:
        """Look, over a connection that is free."""
        async with self.transaction() as do:
            result: T = await do(look)
            return result

    async def close(self) -> None:
        """Finish, and close the connections."""
        await super().close()
        await self._engine.dispose()
