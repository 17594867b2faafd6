"""Imported feedback: from any source, so without a seal; but never read as something that the files do not hold."""

import json
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.transfer.columns import FILES
from robo_rlhf.feedback.transfer.export import export
from robo_rlhf.feedback.transfer.import_folder import import_all
from tests.feedback.busy import fill
from tests.mutations.harness import Kind, forge_file

Rows = dict[str, list[str]]


def _rows(folder: Path) -> Rows:
    """Return the rows of the files of a folder, sorted, as JSON texts with all columns."""
    found = {}
    for file in FILES:
        rows: list[dict[str, Any]] = []
        lines, table = folder / f"{file.name}.jsonl", folder / f"{file.name}.parquet"
        if lines.is_file():
            rows = [json.loads(line) for line in lines.read_bytes().split(b"\n") if line.strip()]
        elif table.is_file():
            rows = pq.read_table(table).to_pylist()
        texts = []
        for row in rows:
            for column in file.columns:
                if column.kind == "json" and isinstance(row.get(column.name), str):
                    row[column.name] = json.loads(row[column.name])
            texts.append(json.dumps({column.name: row.get(column.name) for column in file.columns}, sort_keys=True))
        found[file.name] = sorted(texts)
    return found


def _make(folder: Path, form: Literal["jsonl", "parquet"]) -> None:
    with Store(folder / "made.db") as store:
        fill(store)
        assert all(export(store, folder / "out", form).values())
    for path in folder.glob("made.db*"):
        path.unlink()
    Store(folder / "found.db").close()  # so that not every import makes the tables anew


def _read(folder: Path) -> Any:
    with Store(folder / "found.db") as store:
        found = import_all(store, folder / "out")
        for problem in found.problems:
            assert len(problem.text) < 2000, problem.text[:300]
        counts = store.counts()
        if found.problems:
            assert not any(counts), "a part was imported"
            raise InvalidValueError("a row", found.problems[0].text, "a whole one")
        export(store, folder / "again", "jsonl")
    return _rows(folder / "again")


def _explained(folder: Path, found: Any) -> bool:
    return bool(found == _rows(folder / "out"))


KINDS = [
    Kind(
        "feedback as JSON lines",
        lambda folder: _make(folder, "jsonl"),
        "out/*.jsonl",
        _read,
        explained=_explained,
        forge=forge_file,
    ),
    Kind("feedback as Parquet", lambda folder: _make(folder, "parquet"), "out/*.parquet", _read, explained=_explained),
]
