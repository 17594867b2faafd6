"""Keyset pagination of tables: rows that follow a key, up to a limit.

A page is found by the key of the last row of the page before, so that the thousandth page costs what the first does,
and rows that are added meanwhile neither hide others nor repeat them.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa

Row = dict[str, Any]


class RowPage(NamedTuple):
    """One page."""

    items: list[Row]
    next: Any | None  # the key of the last row, where more follow


def page_of(
    connection: sa.Connection, query: "sa.Select[Any]", key: "sa.Column[Any]", after: int | str, limit: int
) -> RowPage:
    """Return the rows of a query whose `key` is above `after`, by that key, at most `limit` of them."""
    query = query.where(key > after).order_by(key).limit(limit + 1)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return RowPage(rows[:limit], rows[limit - 1][key.name] if len(rows) > limit else None)
