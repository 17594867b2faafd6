"""Creation and migration of the feedback database: its tables are created, or brought to the newest version.

A new database is made by running every migration, so that nothing here depends on the tables of other packages; a test
compares the result with those. Before an old database is migrated, a copy is kept: a file beside an SQLite file, a
separate schema in PostgreSQL. All of it is one transaction.
"""

import sqlite3
import threading
from pathlib import Path

import sqlalchemy as sa

from robo_rlhf.core.errors import VersionError
from robo_rlhf.core.files import move, remove, sync
from robo_rlhf.database.engine import transaction
from robo_rlhf.database.metadata import SCHEMA_VERSION, schema_version

LOCK = 0x0B0_F33D  # names the lock under which PostgreSQL's tables are made

_ALEMBIC = threading.Lock()  # its context is one for the whole process


def prepare(engine: sa.Engine, name: str) -> None:
    """Bring the database with this name to the present version.

    Raises:
        CorruptFileError: the file is not a database.
        VersionError: the database was made by a later version of this program.
    """
    with transaction(engine, write=False) as connection:
        found = version_of(connection)
    if found == SCHEMA_VERSION:
        return
    with transaction(engine, write=True) as connection:
        _prepare(connection, name)


def version_of(connection: sa.Connection) -> int | None:
    """Return the version of the tables; None where there are none."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return None
    return connection.scalar(sa.select(schema_version.c.version))


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    found = version_of(connection)
    with _ALEMBIC:
        if found is not None and not sa.inspect(connection).has_table("alembic_version"):
            command.stamp(config, f"{found:04d}")  # version 1 did not know of Alembic
        command.upgrade(config, revision)


def _prepare(connection: sa.Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    found = version_of(connection)
    if found is None:
        upgrade(connection)
    elif not 1 <= found <= SCHEMA_VERSION:
        advice = "Open it with the version of robo-rlhf that made it, or choose another database."
        raise VersionError(Path(name), found, SCHEMA_VERSION, advice)
    elif found < SCHEMA_VERSION:  # unless another program has just done it
        _keep_copy(connection, name, found)
        upgrade(connection)


def _keep_copy(connection: sa.Connection, name: str, version: int) -> None:
    if connection.dialect.name == "sqlite":
        _copy_file(Path(name), version)
        return
    inspector = sa.inspect(connection)
    schema, taken = f"robo_rlhf_v{version}", inspector.get_schema_names()
    while schema in taken:
        schema += "_"
    connection.execute(sa.schema.CreateSchema(schema))
    for table in inspector.get_table_names():
        connection.execute(sa.text(f'CREATE TABLE "{schema}"."{table}" AS TABLE "{table}"'))


def _copy_file(path: Path, version: int) -> None:
    """Copy a database whose write lock is held, as it was before anything was written."""
    copy = path.with_name(f"{path.name}.v{version}")
    number = 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.v{version}.{number}")
    partial = copy.with_name(f"{copy.name}.partial")
    remove(partial, missing_ok=True, durable=False)
    source, target = sqlite3.connect(path), sqlite3.connect(partial)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    sync(partial)
    move(partial, copy)
