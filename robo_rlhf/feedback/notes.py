"""Notes of people, and the progress of each round of a run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import ConflictError, InvalidValueError
from robo_rlhf.database.engine import add_new, insert_or_update
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.records import json_text
from robo_rlhf.feedback.tables import notes, rounds
from robo_rlhf.webhooks.events import queue_event

LONGEST_NOTE = 4000  # characters


@dataclass(frozen=True)
class Note:
    """A note of a person about a question, clip, episode or run."""

    annotator: str
    about: str  # question, clip, episode, run, ...
    name: str  # which one
    text: str  # as it was written: to be escaped when it is shown
    written: str = ""  # ISO 8601, UTC; filled in by the store


@dataclass(frozen=True)
class Round:
    """The progress of one round of a run."""

    run: str
    round: int
    state: str  # asking, learning, done, ...
    meta: Mapping[str, Any] = field(default_factory=dict)  # a JSON object: figures of the round
    changed: str = ""  # ISO 8601, UTC; filled in by the store


class Notes:
    """The notes. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def add(self, note: Note, *, key: str) -> bool:
        """Store a note and return whether it is new; sending it again with the same `key` changes nothing.

        Raises:
            InvalidValueError: it is empty or too long.
            ConflictError: the key was used by this annotator for something else.
        """
        if not 0 < len(note.text.strip()) <= LONGEST_NOTE or "\0" in note.text:
            raise InvalidValueError("note", f"{len(note.text):,} characters", f"1 to {LONGEST_NOTE:,}")
        if not note.annotator or not key:
            raise InvalidValueError("note", f"annotator {note.annotator!r} and key {key!r}", "both")
        row = {"annotator": note.annotator, "about": note.about, "name": note.name, "text": note.text}

        def work(connection: sa.Connection) -> bool:
            full = {**row, "idempotency_key": key, "written": note.written or timestamp()}
            if add_new(connection, notes, full):
                return True
            same = (notes.c.annotator == note.annotator) & (notes.c.idempotency_key == key)
            found = connection.execute(sa.select(notes).where(same)).mappings().one()
            if any(found[name] != row[name] for name in row):
                raise ConflictError(f"note with key {key!r}", "the key came with another note before")
            return False

        return self._database.write(work)

    def list(self, about: str | None = None, name: str | None = None) -> list[Note]:
        """Return notes in the order in which they came, all or about something."""
        query = sa.select(notes).order_by(notes.c.number)
        query = query.where(notes.c.about == about) if about is not None else query
        query = query.where(notes.c.name == name) if name is not None else query
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Note(row.annotator, row.about, row.name, row.text, row.written) for row in rows]


class Rounds:
    """The progress of the rounds of runs. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def set(self, round: Round) -> None:
        """Store the progress of a round; it replaces the earlier one."""
        values = {"state": round.state, "changed": round.changed or timestamp(), "meta": json_text(round.meta)}
        row = {"run": round.run, "round": round.round, **values}

        def work(connection: sa.Connection) -> None:
            connection.execute(insert_or_update(connection, rounds, row, values))
            payload = {**row, "meta": dict(round.meta)}
            queue_event(connection, "run.round", [payload])

        self._database.write(work)

    def list(self, run: str | None = None) -> "list[Round]":
        """Return rounds in their order, of all runs or of one."""
        query = sa.select(rounds).order_by(rounds.c.run, rounds.c.round)
        query = query.where(rounds.c.run == run) if run is not None else query
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Round(row.run, row.round, row.state, json.loads(row.meta), row.changed) for row in rows]
