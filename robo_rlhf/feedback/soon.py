"""Writing from an event loop: nobody who waits for the database takes a thread.

A server that gives every request a thread of its own spends most of its time on passing Python's lock among them: each
statement gives it up, and gets it back up to 5 ms later while the event loop is busy.
"""

import asyncio
import random
from collections import deque
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from robo_rlhf.feedback.engine import TRIES, open_async, plain_errors, transaction, undone
from robo_rlhf.feedback.turns import TOGETHER, Turns, Work, attempt

T = TypeVar("T")
_Begun = tuple[AbstractContextManager[sa.Connection], sa.Connection]


class Soon(Protocol):
    """How one event loop writes."""

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction and return what it returned: then it is on the disk."""

    async def read(self, look: Work[T]) -> T:
        """Return what `look` finds in one state of the database."""

    async def close(self) -> None:
        """Release everything, before the event loop ends."""


@dataclass(eq=False)
class _Asked(Generic[T]):
    work: Work[T]
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


class InTurns:
    """For SQLite, which has one writer at a time: one transaction after the other, each for all who wait.

    The work is done in the event loop, piece by piece, with other requests in between. Only what may have to wait is
    done in a thread: getting the lock, and the disk.
    """

    def __init__(self, engine: sa.Engine, turns: Turns, thread: Executor) -> None:
        """Write to `engine` when `turns` says so, and wait in a thread of `thread`."""
        self._engine, self._turns, self._thread = engine, turns, thread
        self._waiting: deque[_Asked[Any]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction that it may share; it is done also where whoever waits is cancelled."""
        loop = asyncio.get_running_loop()
        asked: _Asked[T] = _Asked(work, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._work_off())
        return await asked.future

    async def read(self, look: Work[T]) -> T:
        """Look at once: who reads waits for nobody."""
        with transaction(self._engine, write=False) as connection:
            return look(connection)

    async def close(self) -> None:
        """Finish what was asked for."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                asked: list[_Asked[Any]] = []
                try:
                    await self._together(asked)
                except BaseException as error:
                    for one in asked:  # also where it went well: it was undone with the rest
                        one.error = one.error or error
                    if not isinstance(error, Exception):
                        raise
                finally:
                    for one in asked:
                        one.settle()
        finally:
            self._task = None

    async def _together(self, asked: list[_Asked[Any]]) -> None:
        """Do the work of those who wait, and of those who come meanwhile, in one transaction; fill in who they are."""
        asked.append(self._waiting.popleft())
        try:
            context, connection = await self._begun()
        except BaseException:
            asked.extend(self._waiting)  # they have waited as long
            self._waiting.clear()
            raise
        try:
            asked[0].result, asked[0].error = attempt(connection, asked[0].work)
            while self._waiting and len(asked) < TOGETHER:
                await asyncio.sleep(0)  # others have their turn of the event loop
                asked.append(self._waiting.popleft())
                asked[-1].result, asked[-1].error = attempt(connection, asked[-1].work)
        except BaseException as error:
            self._end(context, error)
            raise
        await asyncio.wrap_future(self._thread.submit(self._end, context, None))

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


class AtOnce:
    """For a database server: a transaction for each, several at a time, all waited for by the event loop."""

    def __init__(self, engine: sa.Engine) -> None:
        """Write where `engine` does, over connections of our own."""
        self._named, self._engine = engine, open_async(engine)

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction of its own."""
        for left in reversed(range(TRIES)):
            try:
                with plain_errors(self._named):
                    async with self._engine.connect() as connection, connection.begin():
                        result: T = await connection.run_sync(work)
                        return result
            except sa.exc.OperationalError as error:
                if not (left and undone(error)):
                    raise
                await asyncio.sleep(random.uniform(0.0, 0.02) * 2 ** (TRIES - left))
        raise AssertionError("unreachable")

    async def read(self, look: Work[T]) -> T:
        """Look, over a connection that is free."""
        with plain_errors(self._named):
            async with self._engine.connect() as connection, connection.begin():
                result: T = await connection.run_sync(look)
                return result

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()
