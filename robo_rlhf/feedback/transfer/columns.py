"""The columns that are exported of each table, and the form of a row: one object a line, or one row of Parquet.

A folder holds one file a table. What can be worked out again is left out: numbers, counters, leases, places in queues.
Values that are JSON are objects in JSON Lines, and text in Parquet, whose columns have one type each.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.feedback import tables
from robo_rlhf.feedback.records import json_text

Kind = Literal["text", "integer", "number", "json", "clips"]

LARGEST = 2**31 - 1  # of integers in the tables


@dataclass(frozen=True)
class Column:
    """One column of a file."""

    name: str
    kind: Kind = "text"
    nullable: bool = False

    def problem(self, value: object) -> str:
        """Return what is wrong with a value; empty where nothing is."""
        if value is None:
            return "" if self.nullable else f"{self.name} is missing"
        match self.kind:
            case "text":
                fits = isinstance(value, str) and "\0" not in value
            case "integer":
                fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
            case "number":
                fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            case "json":
                fits = isinstance(value, Mapping)
            case "clips":
                fits = isinstance(value, list) and bool(value) and all(map(_is_clip, value))
        return "" if fits else f"{self.name} is {json.dumps(value, default=str)[:80]}, which is not {_WORDS[self.kind]}"


_WORDS: dict[Kind, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "json": "a JSON object",
    "clips": "a list of clips: episode_id, start and length",
}


def _is_clip(value: object) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"episode_id", "start", "length"}:
        return False
    numbers = [value["start"], value["length"]]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= LARGEST for n in numbers)
    return whole and isinstance(value["episode_id"], str) and value["length"] >= 1


@dataclass(frozen=True)
class File:
    """One file of an export."""

    table: sa.Table
    columns: tuple[Column, ...]
    key: tuple[str, ...]  # what no two rows have in common

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return self.table.name


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


_NOTED = ("annotator", "idempotency_key")

# In an order in which every row comes after those that it names.
FILES: tuple[File, ...] = (
    File(annotators, _texts("name", "kind", "team", "since"), ("name",)),
    File(tables.tasks, (Column("name"), Column("settings", "json"), Column("changed")), ("name",)),
    File(tables.guidelines, _texts("task", "text", "author", "written"), ("task", "text", "author", "written")),
    File(
        tables.questions,
        (
            Column("id"),
            Column("run"),
            Column("round", "integer"),
            *_texts("kind", "task", "dataset"),
            Column("clips", "clips"),
            Column("created"),
            Column("meta", "json"),
            Column("role"),
            Column("overlap", "integer"),
            Column("withdrawn", nullable=True),
        ),
        ("id",),
    ),
    File(
        tables.clips,
        (
            *_texts("dataset", "episode_id"),
            Column("start", "integer"),
            Column("length", "integer"),
            *_texts("state", "reason", "changed"),
        ),
        ("dataset", "episode_id", "start", "length"),
    ),
    File(
        tables.gold,
        (
            Column("question_id"),
            Column("expected", "json"),
            Column("explanation"),
            Column("least", "number"),
            Column("retired", "integer"),
            Column("added"),
        ),
        ("question_id",),
    ),
    File(
        tables.answers,
        (
            *_texts("question_id", "annotator", "annotator_kind"),
            Column("value", "json", nullable=True),
            *_texts("idempotency_key", "answered"),
            Column("response_time", "number", nullable=True),
            Column("standing"),
            Column("shown", nullable=True),
        ),
        _NOTED,
    ),
    File(
        tables.signals,
        (
            *_texts(*_NOTED, "run", "dataset", "episode_id"),
            Column("sign", "integer"),
            Column("step", "number"),
            Column("rate", "number"),
            Column("pressed"),
            Column("source", nullable=True),
            Column("session", nullable=True),
            Column("delay", "number", nullable=True),
            Column("withdrawn", nullable=True),
        ),
        _NOTED,
    ),
    File(tables.notes, _texts(*_NOTED, "about", "name", "text", "written"), _NOTED),
    File(
        tables.rounds,
        (Column("run"), Column("round", "integer"), Column("state"), Column("changed"), Column("meta", "json")),
        ("run", "round"),
    ),
)


def to_file(file: File, row: Mapping[str, Any], *, parquet: bool) -> dict[str, Any]:
    """Return a row of the database as a row of a file; clips are those under "clips"."""
    kept = {}
    for column in file.columns:
        value = row[column.name]
        kept[column.name] = json.loads(value) if column.kind == "json" and value is not None and not parquet else value
    return kept


def to_table(file: File, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a file as the table holds it."""
    json_columns = {column.name for column in file.columns if column.kind == "json"}
    return {
        column.name: json_text(row[column.name])
        if column.name in json_columns and row[column.name] is not None
        else row[column.name]
        for column in file.columns
        if column.kind != "clips"
    }
