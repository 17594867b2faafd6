"""Staging of an import: rows that are checked and not yet written, in a file, so that memory use is bounded.

It is a separate database, which no other process uses and which is deleted afterwards.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


class Staging:
    """The staged rows, and the notes about them that checks need."""

    def __init__(self, path: Path) -> None:
        """Make the file."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000", "temp_store=FILE"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.execute("CREATE TABLE seen (file, key, line, about, PRIMARY KEY (file, key)) WITHOUT ROWID")
        self._connection.execute("CREATE TABLE touched (id PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY, what, rows)")
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def see(self, file: str, key: Sequence[Any], line: int) -> int:
        """Note the line of a row, and return the first one with the same key."""
        text = json.dumps(key)
        new = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, NULL)", (file, text, line)).rowcount
        if new:
            return line
        where = "SELECT line FROM seen WHERE file = ? AND key = ?"
        return int(self._connection.execute(where, (file, text)).fetchone()[0])

    def describe(self, file: str, key: Sequence[Any], about: Any) -> None:
        """Note about a row that was seen what rows of other files ask for."""
        change = "UPDATE seen SET about = ? WHERE file = ? AND key = ?"
        self._connection.execute(change, (json.dumps(about), file, json.dumps(key)))

    def about(self, file: str, key: Sequence[Any]) -> Any:
        """Return what was noted about a row; None where nothing was."""
        where = "SELECT about FROM seen WHERE file = ? AND key = ?"
        found = self._connection.execute(where, (file, json.dumps(key))).fetchone()
        return json.loads(found[0]) if found is not None and found[0] is not None else None

    def touch(self, ids: Iterable[str]) -> None:
        """Note questions whose counters are to be worked out."""
        self._connection.executemany("INSERT OR IGNORE INTO touched VALUES (?)", ((name,) for name in ids))

    def touched(self, count: int) -> Iterator[list[str]]:
        """Return these questions in order, `count` at a time."""
        found = self._connection.execute("SELECT id FROM touched ORDER BY id")
        while some := found.fetchmany(count):
            yield [name for (name,) in some]

    def put(self, what: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Let rows wait."""
        if rows:
            self._connection.execute("INSERT INTO waiting (what, rows) VALUES (?, ?)", (what, json.dumps(rows)))

    def waiting(self) -> Iterator[tuple[str, Rows]]:
        """Return what waits, in the order in which it came."""
        for what, rows in self._connection.execute("SELECT what, rows FROM waiting ORDER BY number"):
            yield what, json.loads(rows)
