"""Shared definitions of all tables: their metadata, the schema version, and helpers for columns and indexes.

A change of any table is a new SCHEMA_VERSION and a file in `migrations/versions`, which is written independently.
"""

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 6

metadata = sa.MetaData()
serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up in INTEGER columns only

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),  # always 1: there is one row
    sa.Column("version", sa.Integer, nullable=False),
)


def rows_where(condition: str) -> dict[str, Any]:
    """Return the arguments of an index over the rows that meet an SQL condition."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
