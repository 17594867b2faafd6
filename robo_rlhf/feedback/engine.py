"""Connections to the feedback database: what SQLite and PostgreSQL need said differently, and nothing else."""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from robo_rlhf.errors import BusyError, DiskError, DiskFullError, MissingDependencyError
from robo_rlhf.files import GONE, RESERVE, make_folder, require_room

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT = 30.0  # [s] to wait for another writer
TRIES = 8  # of a transaction that PostgreSQL ends in favour of another
BROKEN = ("disk I/O error", "readonly", "unable to open")  # what SQLite says of a disk that takes nothing
FILE = "file"  # of a connection: the device and number of the file that it is open to
UNDONE = ("40P01", "40001")  # a deadlock, and what cannot be put in order
FEW = 3  # connections of a line of writers, of which one writes, or of those who look
POOL = {"pool_size": 40, "max_overflow": 0, "pool_timeout": BUSY_TIMEOUT}  # as many as a server has threads


def open_engine(where: str | Path) -> tuple[sa.Engine, str]:
    """Return an engine for an SQLite file or a database URL, and its name for messages, without the password.

    Raises:
        MissingDependencyError: the driver for the URL is not installed.
    """
    if isinstance(where, str) and "://" in where:
        url = sa.make_url(where)
    else:
        url = sa.URL.create("sqlite", database=str(where))
    if url.get_backend_name() != "sqlite":
        try:
            if url.drivername == "postgresql":
                url = url.set(drivername="postgresql+psycopg")
            engine = sa.create_engine(url, pool_pre_ping=True, **POOL)
            return engine, url.render_as_string(hide_password=True)
        except ModuleNotFoundError as error:
            advice = f"pip install {error.name}, or use the SQLite default."
            backend = f"the database {url.get_backend_name()}"
            raise MissingDependencyError(f"The driver {error.name}", backend, advice) from error
    path = Path(url.database or "")
    require_room(path.parent, 0)
    make_folder(path.parent)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, **POOL)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "connect", lambda connection, record: _note_file(path, record))
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine, str(path)


def open_async(engine: sa.Engine) -> "AsyncEngine":
    """Return an engine for an event loop, with connections of its own to the server that `engine` is connected to."""
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(engine.url, **{**POOL, "pool_size": FEW})


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            break
        except sqlite3.OperationalError as error:  # SQLite itself does not wait here, when two programs begin at once
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _note_file(path: Path, record: Any) -> None:
    """Remember which file a connection is open to; SQLite itself goes on with one that was removed."""
    record.info[FILE] = _number(path)


def _require_file(connection: sa.Connection) -> None:
    """Check that what was written lies in the file that the next program will open.

    Raises:
        DiskError: the file is gone: nothing that was written now is on the disk.
    """
    path = Path(connection.engine.url.database or "")
    number = _number(path)
    if connection.info.setdefault(FILE, number) != number or number is None:
        raise DiskError(path, OSError(errno.ENOENT, GONE))


def _number(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at once where something will be written, so that it cannot be refused half way."""
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def transaction(engine: sa.Engine, *, write: bool) -> Iterator[sa.Connection]:
    """Run what is inside in one transaction: all of it is durable at the end, or none happened.

    Raises:
        BusyError: another writer held the database too long.
        DiskFullError: there is no room; nothing was written.
        DiskError: the disk does not take it, or the file is gone; nothing was written.
    """
    with plain_errors(engine), engine.connect().execution_options(write=write) as connection:
        with connection.begin():
            yield connection
        if write and engine.dialect.name == "sqlite":
            _require_file(connection)


@contextmanager
def plain_errors(engine: sa.Engine) -> Iterator[None]:
    """Say in words of our own that the database is busy, full, or not there: as `transaction`."""
    try:
        yield
    except sa.exc.OperationalError as error:
        name = engine.url.render_as_string(hide_password=True)
        if engine.dialect.name == "sqlite" and "locked" in str(error.orig):
            raise BusyError(
                f"The database {name}", f"another program has been writing for {BUSY_TIMEOUT:g} s"
            ) from error
        state = getattr(error.orig, "sqlstate", "")  # of PostgreSQL; None where it did not even answer
        if "full" in str(error.orig) or state == "53100":
            raise DiskFullError(Path(engine.url.database or ""), RESERVE, 0) from error
        if engine.dialect.name == "sqlite" and any(words in str(error.orig) for words in BROKEN):
            raise DiskError(Path(engine.url.database or ""), OSError(errno.EIO, str(error.orig))) from error
        if state is None or state.startswith(("08", "57P")):
            raise BusyError(f"The database {name}", "it cannot be reached") from error
        raise
    except sa.exc.TimeoutError as error:  # of the pool of connections
        name = engine.url.render_as_string(hide_password=True)
        raise BusyError(f"The database {name}", f"all connections have been in use for {BUSY_TIMEOUT:g} s") from error


def undone(error: sa.exc.OperationalError) -> bool:
    """Whether a database server ended a transaction in favour of another one, so that it can be tried again."""
    return getattr(error.orig, "sqlstate", "") in UNDONE


def insert_or_update(connection: sa.Connection, table: sa.Table, row: dict[str, Any], change: dict[str, Any]) -> Any:
    """Return an insert of `row` that makes `change` to the row with the same primary key where there is one."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table).values(row)
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=change)


def add_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless its key is taken, and return whether it was inserted: drivers differ in what they count."""
    added = insert_new(connection, table).values(row).returning(*table.primary_key.columns)
    return connection.execute(added).first() is not None


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an insert that passes over a row whose key is taken."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()
