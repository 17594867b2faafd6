"""Reading feedback back from a folder that `export` wrote, or that another program wrote in the same form.

Every row is looked at. Where one is broken, all broken ones are told, each with its file and line, and nothing is
imported. Rows that are there already, just so, are passed over: importing twice is importing once.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.errors import NotFoundError, RoboRlhfError
from robo_rlhf.feedback.accounts import NOBODY, By, log
from robo_rlhf.feedback.columns import FILES, File
from robo_rlhf.feedback.judging import Judging
from robo_rlhf.feedback.settling import settle
from robo_rlhf.feedback.store import Store
from robo_rlhf.files import open_whole

BLOCK = 500  # rows that are inserted at once
MOST_PROBLEMS = 10_000  # that are told


class Problem(NamedTuple):
    """A row that cannot be imported."""

    file: str
    line: int  # from 1; of a Parquet file, the row
    text: str


@dataclass
class Imported:
    """What became of an import."""

    new: Counter[str] = field(default_factory=Counter)  # file → rows that were imported
    known: Counter[str] = field(default_factory=Counter)  # file → rows that were there already
    problems: list[Problem] = field(default_factory=list)  # where there are any, nothing was imported


class _BrokenError(Exception):
    """There are problems: what was written is undone."""


def import_all(store: Store, folder: Path, *, by: By = NOBODY) -> Imported:
    """Import the files of a folder, all of them or nothing; those that are missing are taken to be empty.

    Raises:
        NotFoundError: there is no such folder, or none of the files is in it.
    """
    paths = {file.name: _find(folder, file) for file in FILES}
    if not any(paths.values()):
        advice = f"It should hold {', '.join(file.name for file in FILES)} as .jsonl or .parquet."
        raise NotFoundError("feedback to import in", folder, advice)
    found = Imported()

    def work(connection: sa.Connection) -> None:
        found.new.clear()
        found.known.clear()
        found.problems.clear()
        judging = Judging(connection)
        for file in FILES:
            path = paths[file.name]
            if path is not None:
                _FileImport(file, path, judging, found).run()
        if found.problems:
            raise _BrokenError
        settle(connection, sorted(judging.touched))
        about = f"{found.new.total():,} new rows, {found.known.total():,} that were there"
        log(connection, by.who, "feedback imported", about, by.address)

    try:
        store.database.write(work)
    except _BrokenError:
        found.new.clear()
    return found


class _FileImport:
    """One file on its way into the database."""

    def __init__(self, file: File, path: Path, judging: Judging, found: Imported) -> None:
        self.file, self.path, self.judging, self.found = file, path, judging, found
        self.seen: dict[tuple[Any, ...], int] = {}  # key → line
        self.waiting: list[tuple[int, Mapping[str, Any]]] = []

    def run(self) -> None:
        for line, row in _read(self.path, self.file):
            text = row if isinstance(row, str) else self.look_at(line, row)
            if text:
                self.tell(line, text)
            if len(self.waiting) == BLOCK:
                self.take_waiting()
        self.take_waiting()

    def look_at(self, line: int, row: Mapping[str, Any]) -> str:
        """Let a row wait to be taken, or return what is wrong with it."""
        problem = _shape_problem(self.file, row)
        if problem:
            return problem
        key = tuple(row[name] for name in self.file.key)
        before = self.seen.setdefault(key, line)
        if before != line:
            return f"it has the same {' and '.join(self.file.key)} as line {before}"
        self.waiting.append((line, row))
        return ""

    def take_waiting(self) -> None:
        there = self.judging.known(self.file, [row for _, row in self.waiting])
        for line, row in self.waiting:
            try:
                new = self.judging.take(self.file, row, there.get(tuple(row[name] for name in self.file.key)))
                (self.found.new if new else self.found.known)[self.file.name] += 1
            except RoboRlhfError as error:
                self.tell(line, str(error))
        if not self.found.problems:  # else all of it will be undone
            self.judging.write(self.file)
        self.waiting.clear()

    def tell(self, line: int, text: str) -> None:
        if len(self.found.problems) < MOST_PROBLEMS:
            self.found.problems.append(Problem(self.path.name, line, text))


def _shape_problem(file: File, row: Mapping[str, Any]) -> str:
    """Return what is wrong with the form of a row; empty where nothing is."""
    unknown = sorted(set(row) - {column.name for column in file.columns})
    if unknown:
        return f"{', '.join(unknown)[:80]} is not a column of {file.name}"
    problems = [column.problem(row.get(column.name)) for column in file.columns]
    return "; ".join(problem for problem in problems if problem)


def _find(folder: Path, file: File) -> Path | None:
    for ending in ("jsonl", "parquet"):
        path = folder / f"{file.name}.{ending}"
        if os.path.lexists(path):
            return path
    return None


def _read(path: Path, file: File) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Return the number of each line and its row, or what is wrong with it."""
    return _read_jsonl(path, file) if path.suffix == ".jsonl" else _read_parquet(path, file)


def _read_jsonl(path: Path, file: File) -> Iterator[tuple[int, dict[str, Any] | str]]:
    nullable = {column.name: None for column in file.columns if column.nullable}
    with open_whole(path, "Nothing was imported.") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(), parse_constant=_refuse)
            except (ValueError, RecursionError) as error:
                yield number, f"it is no JSON: {error}"
                continue
            yield number, {**nullable, **row} if isinstance(row, dict) else "it is no JSON object"


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _read_parquet(path: Path, file: File) -> Iterator[tuple[int, dict[str, Any] | str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with open_whole(path, "Nothing was imported.") as content:
            parquet = pq.ParquetFile(content, page_checksum_verification=True)
            for batch in parquet.iter_batches(BLOCK):
                batch.validate(full=True)
                for row in batch.to_pylist():
                    number += 1
                    yield number, _parsed(file, row)
            if number != parquet.metadata.num_rows:
                raise ValueError(f"it holds {number:,} rows and tells of {parquet.metadata.num_rows:,}")
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, MemoryError) as error:
        yield number + 1, f"it is no Parquet file, or a broken one: {' '.join(str(error).split())[:300]}"


def _parsed(file: File, row: dict[str, Any]) -> dict[str, Any] | str:
    """Return a row of Parquet with its texts of JSON as values, or what is wrong with it."""
    try:
        for column in file.columns:
            if column.kind == "json" and isinstance(row.get(column.name), str):
                row[column.name] = json.loads(row[column.name])
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"
    return row
