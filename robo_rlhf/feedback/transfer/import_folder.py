"""Import of feedback from a folder that `export` wrote, or that another program wrote in the same form.

Every row is checked before anything is written, without blocking other writers, and in bounded memory. Where one is
broken, all broken ones are reported, each with its file and line, and nothing is imported. Otherwise all of it is
written in one transaction. Rows that are there already, unchanged, are skipped: importing twice is importing once.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError, RoboRlhfError
from robo_rlhf.core.files import open_whole
from robo_rlhf.feedback.assignment.recount import BLOCK as SETTLED
from robo_rlhf.feedback.assignment.recount import recount
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer import parquet
from robo_rlhf.feedback.transfer.columns import FILES, File
from robo_rlhf.feedback.transfer.import_checks import ImportChecker, write
from robo_rlhf.feedback.transfer.staging import Staging

BLOCK = 500  # rows that are checked, and inserted, at once
MOST_ROW = 2**20  # [bytes] of a row
MOST_PROBLEMS = 10_000  # that are reported
TRIES = 3  # where another process writes the same rows meanwhile


class ImportProblem(NamedTuple):
    """A row that cannot be imported."""

    file: str
    line: int  # from 1; of a Parquet file, the row
    text: str


@dataclass
class ImportResult:
    """The result of an import."""

    new: Counter[str] = field(default_factory=Counter)  # file → rows that were imported
    known: Counter[str] = field(default_factory=Counter)  # file → rows that were there already
    problems: list[ImportProblem] = field(default_factory=list)  # where there are any, nothing was imported


class _EnoughError(Exception):
    """So many problems were found that the rest is not checked."""


def import_all(
    store: Store,
    folder: Path,
    *,
    by: Principal = NO_PRINCIPAL,
    most_rows: int | None = None,
    scratch: Path | None = None,
) -> ImportResult:
    """Import the files of a folder, all of them or nothing; those that are missing are taken to be empty.

    Args:
        store: where they go.
        folder: what `export` wrote.
        by: who imports.
        most_rows: lines of all files together, at most; any number where None.
        scratch: an existing folder for what is checked and not yet written; the system's where None.

    Raises:
        NotFoundError: there is no such folder, or none of the files is in it.
        InvalidValueError: there are more rows, or a Parquet file unpacks to more than it may.
        ConflictError: others kept writing the same rows.
    """
    paths = {file.name: path for file in FILES if (path := _find(folder, file)) is not None}
    if not paths:
        advice = f"It should hold {', '.join(file.name for file in FILES)} as .jsonl or .parquet."
        raise NotFoundError("feedback to import in", folder, advice)
    with tempfile.TemporaryDirectory(prefix="import-", dir=scratch) as place:
        packed = [path for path in paths.values() if path.suffix == ".parquet"]
        broken = parquet.unpack(packed, Path(place)) if packed else {}
        for number in range(TRIES):
            staging = Staging(Path(place) / f"{number}.db")
            try:
                found = _check(store, paths, Path(place), broken, staging, most_rows)
                if not found.problems:
                    _write(store, staging, found, by)
                return found
            except sa.exc.IntegrityError:
                continue  # written by another process since it was checked: now it is known, or differs
            finally:
                staging.close()
    raise ConflictError("import", "others write the same rows; try again when they are done")


def _check(
    store: Store, paths: Mapping[str, Path], place: Path, broken: Mapping[str, str], staging: Staging, most: int | None
) -> ImportResult:
    """Check every row, and stage those that are new in `staging`."""
    found, lines = ImportResult(), 0
    with store.database.read() as connection:
        judging = ImportChecker(connection, staging)
        for file in FILES:
            if file.name not in paths:
                continue
            left = None if most is None else most - lines
            one = _FileImport(file, paths[file.name], judging, staging, found)
            try:
                lines += one.run(place, broken, left)
            except _EnoughError:
                break
    if found.problems:
        found.new.clear()
    return found


def _write(store: Store, staging: Staging, found: ImportResult, by: Principal) -> None:
    """Write the staged rows. All were checked, so that other writers wait for no longer than this takes."""

    def work(connection: sa.Connection) -> None:
        for what, rows in staging.waiting():
            write(connection, what, rows)
        for some in staging.touched(SETTLED):
            recount(connection, some)
        about = f"{found.new.total():,} new rows, {found.known.total():,} that were there"
        log(connection, by.name, "feedback imported", about, by.address)

    store.database.write(work)


class _FileImport:
    """One file on its way into the database."""

    def __init__(self, file: File, path: Path, judging: ImportChecker, staging: Staging, found: ImportResult) -> None:
        self.file, self.path, self.judging, self.staging, self.found = file, path, judging, staging, found
        self.waiting: list[tuple[int, Mapping[str, Any]]] = []

    def run(self, place: Path, broken: Mapping[str, str], most: int | None) -> int:
        """Check all of it and return how many lines it has; of a Parquet file those are in `place`."""
        path = self.path if self.path.suffix == ".jsonl" else place / f"{self.path.stem}.jsonl"
        line = 0
        if path.exists():
            with open_whole(path, "Nothing was imported.") as lines:
                for line, row in _read(lines, self.file, most, packed=path is not self.path):
                    text = row if isinstance(row, str) else self.check_row(line, row)
                    if text:
                        self.add_problem(line, text)
                    if len(self.waiting) == BLOCK:
                        self.write_waiting()
        self.write_waiting()
        if self.path.name in broken:
            self.add_problem(line + 1, broken[self.path.name])
        return line

    def check_row(self, line: int, row: Mapping[str, Any]) -> str:
        """Stage a row, or return what is wrong with it."""
        problem = _shape_problem(self.file, row)
        if problem:
            return problem
        before = self.staging.see(self.file.name, [row[name] for name in self.file.key], line)
        if before != line:
            return f"it has the same {' and '.join(self.file.key)} as line {before}"
        self.waiting.append((line, row))
        return ""

    def write_waiting(self) -> None:
        there = self.judging.known(self.file, [row for _, row in self.waiting])
        for line, row in self.waiting:
            try:
                new = self.judging.take(self.file, row, there.get(tuple(row[name] for name in self.file.key)))
                (self.found.new if new else self.found.known)[self.file.name] += 1
            except RoboRlhfError as error:
                self.add_problem(line, str(error))
        self.judging.put(self.file)
        self.waiting.clear()

    def add_problem(self, line: int, text: str) -> None:
        self.found.problems.append(ImportProblem(self.path.name, line, text[:500]))
        if len(self.found.problems) == MOST_PROBLEMS:
            raise _EnoughError


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


def _read(
    lines: IO[bytes], file: File, most: int | None, *, packed: bool
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Return the number of each line and its row, or what is wrong with it; lines with nothing in them are counted."""
    nullable = {column.name: None for column in file.columns if column.nullable}
    number = 0
    while line := lines.readline(MOST_ROW + 1):
        number += 1
        if most is not None and number > most:
            raise InvalidValueError("files to import", f"{file.name} with more", f"{most:,} rows left")
        if len(line) > MOST_ROW:
            yield number, f"it is longer than {MOST_ROW:,} bytes; what follows was not looked at"
            return
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode(), parse_constant=_refuse)
            row = _parsed(file, row) if packed else row
        except (ValueError, RecursionError) as error:
            yield number, f"it is no JSON: {error}"
            continue
        yield number, {**nullable, **row} if isinstance(row, dict) else "it is no JSON object"


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _parsed(file: File, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of Parquet with its texts of JSON as values."""
    for column in file.columns:
        if column.kind == "json" and isinstance(row.get(column.name), str):
            row[column.name] = json.loads(row[column.name])
    return row
