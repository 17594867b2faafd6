"""Erasing a person from the rows of a database, and from the copies that were kept before migrations."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.accounts.tables import ONLY_GROWS
from robo_rlhf.feedback.rights.names import in_json, in_prose

What = Literal["anonymous", "removed"]  # what becomes of a person's answers and presses

NAMES = (  # table, column that holds a person's name and nothing else
    ("answers", "annotator"),
    ("leases", "annotator"),
    ("signals", "annotator"),
    ("guidelines", "author"),
    ("consent_texts", "author"),
    ("webhooks", "author"),
    ("audit", "who"),
    ("annotators", "name"),
)
ANSWERED = (("answers", "annotator"), ("leases", "annotator"), ("signals", "annotator"), ("annotators", "name"))
"""What goes where a person wants answers to be removed."""
GONE = (("notes", "annotator"), ("progress", "annotator"), ("consents", "annotator"))  # removed in any case
ACCOUNT = ("web_sessions", "sign_in_links", "api_tokens")  # by `person_id`
PROSE = (  # table, its key, column of text in which a name may stand
    ("audit", "number", "about"),
    ("questions", "number", "withdrawn"),
    ("clips", "id", "reason"),
    ("notes", "number", "text"),
    ("guidelines", "number", "text"),
    ("consent_texts", "number", "text"),
    ("gold", "question_id", "explanation"),
)
UNDATED = (  # table, column of a time: the day stays
    ("answers", "annotator", "answered"),
    ("signals", "annotator", "pressed"),
    ("annotators", "name", "since"),
)
EMPTIED = (  # table, column of the name, column, value
    ("answers", "annotator", "response_time", None),
    ("signals", "annotator", "session", None),
    ("annotators", "name", "team", ""),
    ("audit", "who", "address", ""),
)


class RowEraser:
    """Erases one person from the tables of one schema; tables and columns that it has not are passed over."""

    def __init__(self, connection: sa.Connection, name: str, alias: str, schema: str | None = None) -> None:
        """Work in a transaction of `connection`: what bears `name` bears `alias` then."""
        self.connection, self.name, self.alias, self.schema = connection, name, alias, schema
        found = sa.inspect(connection)
        self.columns = {t: {c["name"] for c in found.get_columns(t, schema)} for t in found.get_table_names(schema)}

    def erase(self, what: What) -> list[str]:
        """Erase the person, and return the ids of the questions whose answers changed."""
        mine = "SELECT DISTINCT question_id FROM {answers} WHERE annotator = :name"
        ids = [str(one) for (one,) in self._rows(mine)] if "answers" in self.columns else []
        with self._growing_log_off():
            self._remove_account()
            for table, column in (*GONE, *(ANSWERED if what == "removed" else ())):
                self._run(f"DELETE FROM {{{table}}} WHERE {column} = :name", table, column)
            if what == "removed":
                self._forget_doings(ids)
            self._strip()
            for table, column in NAMES:
                self._run(f"UPDATE {{{table}}} SET {column} = :alias WHERE {column} = :name", table, column)
            self._rewrite_prose()
        return ids

    def _strip(self) -> None:
        """Take away notes, times and addresses; what remains of an answer is the judgement and its day."""
        for table, column, emptied, value in EMPTIED:
            new = "NULL" if value is None else f"'{value}'"
            self._run(f"UPDATE {{{table}}} SET {emptied} = {new} WHERE {column} = :name", table, column, emptied)
        for table, column, time in UNDATED:
            day = f"substr({time}, 1, 10) || 'T00:00:00.000+00:00'"
            self._run(f"UPDATE {{{table}}} SET {time} = {day} WHERE {column} = :name", table, column, time)
        if "answers" not in self.columns:
            return
        mine = "SELECT number, value FROM {answers} WHERE annotator = :name AND value IS NOT NULL"
        for number, value in self._rows(mine):
            answer = json.loads(value)
            if "note" in answer:
                del answer["note"]
                self._set("answers", "number", number, "value", json.dumps(answer, sort_keys=True, ensure_ascii=False))
        self._run(
            "UPDATE {answers} SET idempotency_key = 'erased ' || number WHERE annotator = :name",
            "answers",
            "idempotency_key",
        )

    def _remove_account(self) -> None:
        if "people" in self.columns:
            for table in ACCOUNT:
                mine = "(SELECT id FROM {people} WHERE name = :name)"
                self._run(f"DELETE FROM {{{table}}} WHERE person_id IN {mine}", table, "person_id")
            self._run("DELETE FROM {people} WHERE name = :name", "people", "name")
        self._run("DELETE FROM {sign_in_tries} WHERE lower(name) = lower(:name)", "sign_in_tries", "name")
        sent = self._rows("SELECT number, body FROM {deliveries}") if "deliveries" in self.columns else ()
        for number, body in sent:
            if in_json(json.loads(body), self.name, self.alias) != json.loads(body):
                self.connection.execute(sa.text(self._sql("DELETE FROM {deliveries} WHERE number = :n")), {"n": number})

    def _forget_doings(self, ids: Sequence[str]) -> None:
        """Keep rewinds and takeovers of recordings from being written again."""
        if "role" in self.columns.get("questions", ()):
            for one in ids:
                sql = "UPDATE {questions} SET withdrawn = 'its person was erased' WHERE id = :id AND role = 'implicit'"
                self.connection.execute(sa.text(self._sql(sql)), {"id": one})

    def _rewrite_prose(self) -> None:
        prose = in_prose(self.name, self.alias)
        bound = {"start": f"{self.name}:%", "alias": self.alias, "name": self.name}
        if "audit" in self.columns:  # groups, and where failed attempts came from
            groups = "UPDATE {audit} SET about = :alias WHERE act = 'groups changed' AND about LIKE :start"
            self.connection.execute(sa.text(self._sql(groups)), {k: bound[k] for k in ("alias", "start")})
            tries = "UPDATE {audit} SET address = '' WHERE lower(about) = lower(:name)"
            self.connection.execute(sa.text(self._sql(tries)), {"name": self.name})
        for table, key, column in PROSE:
            if column not in self.columns.get(table, ()):
                continue
            found = f"SELECT {key}, {column} FROM {{{table}}} WHERE {column} IS NOT NULL"
            for number, text in self._rows(found):
                if text and prose(text) != text:
                    self._set(table, key, number, column, prose(text))

    def _set(self, table: str, key: str, number: Any, column: str, value: str) -> None:
        sql = self._sql(f"UPDATE {{{table}}} SET {column} = :value WHERE {key} = :number")
        self.connection.execute(sa.text(sql), {"value": value, "number": number})

    def _run(self, sql: str, table: str, *columns: str) -> None:
        if set(columns) <= self.columns.get(table, set()):
            self.connection.execute(sa.text(self._sql(sql)), self._bound(sql))

    def _rows(self, sql: str) -> Iterator[Any]:
        return iter(self.connection.execute(sa.text(self._sql(sql)), self._bound(sql)).all())

    def _bound(self, sql: str) -> dict[str, str]:
        known = {"name": self.name, "alias": self.alias}
        return {key: value for key, value in known.items() if f":{key}" in sql}

    def _sql(self, sql: str) -> str:
        """Return a statement with the tables of the schema in the place of their names in braces."""
        within = f'"{self.schema}".' if self.schema else ""
        return sql.format_map({table: f'{within}"{table}"' for table in self.columns})

    def _growing_log_off(self) -> "_LogUnlocked":
        return _LogUnlocked(self.connection, "audit" in self.columns and self.schema is None)


class _LogUnlocked:
    """While it is entered, lines of the log can be changed; only this transaction can see that."""

    def __init__(self, connection: sa.Connection, is_there: bool) -> None:
        self.connection, self.dialect = connection, connection.dialect.name
        names = ("audit_keeps_lines", "audit_keeps_all")[: 2 if self.dialect == "sqlite" else 1]
        self.names = names if is_there and self._guarded() else ()

    def __enter__(self) -> None:
        on = "" if self.dialect == "sqlite" else " ON audit"
        for name in self.names:
            self.connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}{on}")

    def __exit__(self, *_: object) -> None:
        for statement in ONLY_GROWS[self.dialect] if self.names else ():
            if not statement.startswith("CREATE FUNCTION"):
                self.connection.exec_driver_sql(statement)

    def _guarded(self) -> bool:
        where = {"sqlite": "sqlite_master WHERE type = 'trigger' AND name", "postgresql": "pg_trigger WHERE tgname"}
        found = self.connection.exec_driver_sql(f"SELECT count(*) FROM {where[self.dialect]} = 'audit_keeps_lines'")
        return bool(found.scalar())


def copies_of(path: Path) -> list[Path]:
    """Return the copies of an SQLite database that were kept before migrations."""
    found = path.parent.glob(f"{path.name}.v*") if path.parent.is_dir() else ()
    return sorted(one for one in found if re.fullmatch(r"\.v\d+(\.\d+)?", one.name.removeprefix(path.name)))


def erase_from_copy(path: Path, name: str, alias: str, what: What) -> None:
    """Erase a person from a kept copy of an SQLite database."""
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            RowEraser(connection, name, alias).erase(what)
    finally:
        engine.dispose()
    compact(path)


def compact(path: Path) -> None:
    """Write an SQLite file anew, so that none of its bytes are of rows that were deleted or changed."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
