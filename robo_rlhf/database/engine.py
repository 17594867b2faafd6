"""Connections to the feedback database, with all that differs between SQLite and PostgreSQL."""

import errno
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from robo_rlhf.core.errors import (
    BusyError,
    CorruptFileError,
    DatabaseError,
    DiskError,
    DiskFullError,
    InvalidValueError,
    MissingDependencyError,
    RoboRlhfError,
)
from robo_rlhf.core.files import (
    GONE,
    RESERVE,
    make_folder,
    require_disk_space,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT = 30.0  # [s] to wait for another writer
ATTEMPTS = 8  # of a transaction that PostgreSQL ends in favour of another
DAMAGED = ("malformed", "not a database", "Could not decode")  # SQLite's and its driver's errors for a damaged file
BROKEN = ("disk I/O error", "readonly", "unable to open")  # SQLite's errors for a disk that accepts no data
FILE = "file"  # of a connection: the device and number of the file that it is open to
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]+:|://")  # one letter before a colon is a drive
_PASSWORD = re.compile(r"//[^@]*@")
ROLLED_BACK = ("40P01", "40001")  # a deadlock, and a serialisation failure
FEW = 3  # connections of a queue of writers, of which one writes, or of readers
POOL = {"pool_size": 40, "max_overflow": 0, "pool_timeout": BUSY_TIMEOUT}  # as many as a server has threads


def url_of(where: str | Path) -> sa.URL:
    """Return the URL, or the path of an SQLite file, that a database's name means.

    Raises:
        InvalidValueError: a URL of another form or server, or something between a URL and a path.
    """
    text = str(where)
    if isinstance(where, Path) or not _SCHEME.match(text):
        return sa.URL.create("sqlite", database=text)
    try:
        url = sa.make_url(re.sub("^postgres://", "postgresql://", text))  # as many hosts of databases write it
        fits = "://" in text and url.get_backend_name() in ("sqlite", "postgresql")
        if url.get_backend_name() == "sqlite":
            fits = fits and url.database not in (None, "", ":memory:")
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        fits = False
    if not fits:
        expected = "the path of a file, or a URL such as postgresql://user@host:5432/name"
        raise InvalidValueError("database", _PASSWORD.sub("//***@", text[:200]), expected)
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def open_engine(where: str | Path) -> tuple[sa.Engine, str]:
    """Return an engine for an SQLite file or a database URL, and its name for messages, without the password.

    A file in a place that may not be changed is opened for reading.

    Raises:
        InvalidValueError: it is no name of a database.
        MissingDependencyError: the driver for the URL is not installed.
        DiskFullError: there is no room beside the file.
    """
    url = url_of(where)
    if url.get_backend_name() != "sqlite":
        return _open_server(url)
    path = Path(url.database or "")
    if path.is_dir():
        raise InvalidValueError("database", path, "a file, and this is a folder")
    if is_read_only(path):
        engine = sa.create_engine(url, creator=lambda: _connect_for_reading(path), **POOL)
    else:
        require_disk_space(path.parent, 0)
        make_folder(path.parent)
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, **POOL)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "connect", lambda connection, record: _note_file(path, record))
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine, str(path)


def _open_server(url: sa.URL) -> tuple[sa.Engine, str]:
    name = url.render_as_string(hide_password=True)
    try:
        return sa.create_engine(url, pool_pre_ping=True, **POOL), name
    except ModuleNotFoundError as error:
        advice = f"pip install {error.name}, or use the SQLite default."
        raise MissingDependencyError(f"The driver {error.name}", "the database postgresql", advice) from error
    except sa.exc.NoSuchModuleError:
        raise InvalidValueError("database", name, "a URL that begins with postgresql://") from None


def is_read_only(path: Path) -> bool:
    """Whether a database file is there and may be read, but neither it nor what lies beside it may be changed."""
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """Open a file that may not be changed; what its last writer left in a separate journal is read too."""
    journal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if journal.exists() and journal.stat().st_size else "mode=ro&immutable=1"
    address = f"file:{quote(str(path.absolute()))}?{how}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT, check_same_thread=False)


def open_async(engine: sa.Engine) -> "AsyncEngine":
    """Return an engine for an event loop, with separate connections to the server that `engine` is connected to."""
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
    """Remember which file a connection is open to; SQLite itself continues with one that was removed."""
    record.info[FILE] = _number(path)


def _require_file(connection: sa.Connection) -> None:
    """Check that what was written lies in the file that the next program will open.

    Raises:
        DiskError: the file is gone: nothing that was written now is on the disk.
    """
    path = connection.engine.url.database or ""
    number = _number(path)
    if connection.info.setdefault(FILE, number) != number or number is None:
        raise DiskError(Path(path), OSError(errno.ENOENT, GONE))


def _number(path: Path | str) -> tuple[int, int] | None:
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
    with translate_errors(engine), engine.connect().execution_options(write=write) as connection:
        with connection.begin():
            yield connection
        if write and engine.dialect.name == "sqlite":
            _require_file(connection)


@contextmanager
def translate_errors(engine: sa.Engine) -> Iterator[None]:
    """Translate errors of a database that is busy, full, damaged, read-only or missing.

    Raises:
        BusyError, DiskFullError: as `transaction`.
        DatabaseError: it cannot be opened, or may not be written.
        CorruptFileError: it is no database, or damaged.
    """
    try:
        yield
    except sa.exc.TimeoutError as error:  # of the pool of connections
        name = engine.url.render_as_string(hide_password=True)
        raise BusyError(f"The database {name}", f"all connections have been in use for {BUSY_TIMEOUT:g} s") from error
    except sa.exc.DBAPIError as error:
        plain = _of_a_file(engine, str(error.orig)) if engine.dialect.name == "sqlite" else _of_a_server(engine, error)
        if plain is None:
            raise
        raise plain from error


def _of_a_file(engine: sa.Engine, message: str) -> RoboRlhfError | None:
    """Return our error for one of SQLite; None for one that does not concern the state of the file."""
    path = Path(engine.url.database or "")
    if "locked" in message:
        return BusyError(f"The database {path}", f"another program has been writing for {BUSY_TIMEOUT:g} s")
    if "full" in message:
        return DiskFullError(path, RESERVE, 0)
    if any(words in message for words in DAMAGED):
        return CorruptFileError(path, message, "Restore a copy, or move it away.")
    if any(words in message for words in BROKEN) and os.access(path.parent, os.W_OK) and path.exists():
        return DiskError(path, OSError(errno.EIO, message))
    if any(words in message for words in BROKEN):
        why = "its place may be read and not written" if not os.access(path.parent, os.W_OK) else message
        return DatabaseError(str(path), why, "Choose another place with --home or --database.")
    return None


def _of_a_server(engine: sa.Engine, error: sa.exc.DBAPIError) -> RoboRlhfError | None:
    """Return our error for one of PostgreSQL; None for one that does not concern the state of the server."""
    name = engine.url.render_as_string(hide_password=True)
    state = getattr(error.orig, "sqlstate", "")  # None where it did not even answer
    if state == "53100":
        return DiskFullError(Path(engine.url.database or ""), RESERVE, 0)
    if isinstance(error, sa.exc.OperationalError) and (state is None or state.startswith(("08", "57P"))):
        return BusyError(f"The database {name}", "it cannot be reached")
    if state in ("25006", "42501"):  # a read-only transaction, insufficient privilege
        return DatabaseError(name, "it may not be changed by this user", "Choose another one with --database.")
    if state in ("XX001", "XX002"):  # data_corrupted, index_corrupted
        return DatabaseError(name, "its server calls it damaged", "Restore a copy.")
    return None


def was_rolled_back(error: sa.exc.OperationalError) -> bool:
    """Whether a database server ended a transaction in favour of another one, so that it can be tried again."""
    return getattr(error.orig, "sqlstate", "") in ROLLED_BACK


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
