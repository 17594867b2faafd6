import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import pytest
import sqlalchemy as sa

from robo_rlhf.core.errors import BusyError, DiskFullError, InvalidValueError
from robo_rlhf.database.group_commit import Work
from robo_rlhf.database.writers import WRITERS_PER_QUEUE, Database

T = TypeVar("T")
ANNAS = crc32(b"anna") % WRITERS_PER_QUEUE


@pytest.fixture
def database(where: str) -> Iterator[Database]:
    opened = Database(where)
    opened.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)") and None)
    yield opened
    opened.close()


@pytest.fixture
def commits(database: Database) -> list[int]:
    """One more for each commit from now on."""
    found: list[int] = []
    sa.event.listen(database.engine, "commit", lambda _: found.append(1))
    return found


def rows(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(sa.text("SELECT x FROM t ORDER BY x")))


def insert(number: int) -> Work[int]:
    def work(connection: sa.Connection) -> int:
        connection.exec_driver_sql(f"INSERT INTO t VALUES ({number})")
        return number

    return work


def run(database: Database, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` in an event loop, and release what it used of the database."""

    async def all_of_it() -> T:
        try:
            return await main()
        finally:
            await database.close_async()

    return asyncio.run(all_of_it())


def test_many_write_at_once_and_each_is_told_what_became_of_theirs(database: Database) -> None:
    def work(number: int) -> Work[int]:
        def refuse(connection: sa.Connection) -> int:
            insert(number)(connection)
            raise InvalidValueError("number", number, "another one")

        return refuse if number % 3 == 0 else insert(number)

    async def main() -> list[object]:
        asked = (database.write_async(work(number)) for number in range(200))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    found = run(database, main)
    assert [isinstance(value, InvalidValueError) for value in found] == [number % 3 == 0 for number in range(200)]
    assert rows(database) == [value for value in found if isinstance(value, int)]


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_who_asks_meanwhile_shares_the_transaction(database: Database, commits: list[int]) -> None:
    async def main() -> None:
        await asyncio.gather(*(database.write_async(insert(number)) for number in range(200)))

    run(database, main)
    assert len(commits) == 4, "64 at a time"


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_what_is_done_alone_shares_no_transaction(database: Database, commits: list[int]) -> None:
    async def main() -> None:
        await asyncio.gather(*(database.write_async(insert(number), alone=number in (3, 4)) for number in range(8)))

    run(database, main)
    assert len(commits) == 4, "0 to 2, then 3, then 4, then the others"
    assert rows(database) == list(range(8))


@pytest.mark.parametrize("where", ["postgresql"], indirect=True)
def test_what_is_of_the_same_row_is_done_in_order_and_other_rows_do_not_wait(database: Database) -> None:
    order: list[str] = []

    def work(name: str, seconds: float) -> Work[None]:
        def do(connection: sa.Connection) -> None:
            order.append(f"{name} begins")
            connection.exec_driver_sql(f"SELECT pg_sleep({seconds})")
            order.append(f"{name} ends")

        return do

    async def main() -> None:
        names = ["anna", "anna", next(n for n in map(str, range(99)) if crc32(n.encode()) % WRITERS_PER_QUEUE != ANNAS)]
        asked = zip(names, (work("first", 0.5), work("second", 0.0), work("other", 0.0)), strict=True)
        await asyncio.gather(*(database.write_async(do, line="a line", of=name) for name, do in asked))

    run(database, main)
    assert order.index("other ends") < order.index("first ends") < order.index("second begins")


def test_threads_and_the_event_loop_take_turns(database: Database) -> None:
    async def main() -> None:
        threads = (asyncio.to_thread(database.write, insert(number)) for number in range(0, 60, 2))
        here = (database.write_async(insert(number)) for number in range(1, 60, 2))
        await asyncio.gather(*threads, *here)

    run(database, main)
    assert rows(database) == list(range(60))


def test_what_was_asked_for_is_done_though_whoever_asked_has_left(database: Database) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(database.write_async(insert(number))) for number in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[3], asyncio.CancelledError)
        assert [value for value in found if isinstance(value, int)] == [0, 1, 2, 4, 5, 6, 7, 8, 9]

    run(database, main)
    assert set(rows(database)) >= {0, 1, 2, 4, 5, 6, 7, 8, 9}


def test_a_full_disk_is_told_to_everybody_and_nothing_is_kept(path: Path) -> None:
    database = Database(path)
    database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)") and None)

    def full(connection: sa.Connection) -> int:
        raise sa.exc.OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))

    async def main() -> list[object]:
        works = [insert(number) for number in range(5)] + [full]
        return list(await asyncio.gather(*map(database.write_async, works), return_exceptions=True))

    assert all(isinstance(value, DiskFullError) for value in run(database, main))
    assert rows(database) == []
    database.write(insert(7))
    assert rows(database) == [7], "it goes on afterwards"
    database.close()


def test_the_event_loop_goes_on_while_another_program_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_rlhf.database.engine.BUSY_TIMEOUT", 0.5)
    database = Database(path)
    database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)") and None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def main() -> tuple[list[object], int]:
        asked = [asyncio.ensure_future(database.write_async(insert(number))) for number in range(3)]
        turns = 0
        while not all(task.done() for task in asked):
            await asyncio.sleep(0.01)
            turns += 1
        return list(await asyncio.gather(*asked, return_exceptions=True)), turns

    found, turns = run(database, main)
    assert all(isinstance(value, BusyError) for value in found)
    assert turns > 10
    other.execute("ROLLBACK")
    other.close()
    assert run(database, lambda: database.write_async(insert(1))) == 1
    database.close()


def test_an_event_loop_that_ends_early_holds_nobody_up(path: Path) -> None:
    database = Database(path)
    database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)") and None)
    held, go_on = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        held.set()
        go_on.wait(10)

    holder = threading.Thread(target=database.write, args=(slow,))
    holder.start()
    assert held.wait(10)

    async def main() -> None:
        task = asyncio.ensure_future(database.write_async(insert(1)))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(main())  # ends while the turn is waited for
    go_on.set()
    holder.join(10)
    until = time.monotonic() + 10
    done = threading.Thread(target=database.write, args=(insert(2),), daemon=True)
    done.start()
    done.join(until - time.monotonic())
    assert not done.is_alive()
    assert 2 in rows(database)
    database.close()


def test_looking_shares_the_event_loop(database: Database) -> None:
    async def main() -> tuple[int, int]:
        await database.write_async(insert(4))
        here = await database.read_async(lambda c: int(c.exec_driver_sql("SELECT x FROM t").scalar_one()))
        return here, await database.read_in_thread(lambda: len(rows(database)))

    assert run(database, main) == (4, 1)
