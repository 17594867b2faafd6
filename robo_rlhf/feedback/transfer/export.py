"""Export of all feedback into a folder, as JSON Lines or Parquet; `import_folder` reads it back without loss."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import ConflictError, DiskFullError
from robo_rlhf.core.files import DISK_FULL_ERRNOS, make_folder, publish_folder, remove_tree
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import clips, questions, segments
from robo_rlhf.feedback.transfer.columns import FILES, File, to_file

Format = Literal["jsonl", "parquet"]
BLOCK = 10_000  # rows that are held in memory


def export(store: Store, folder: Path, format: Format = "jsonl", *, by: Principal = NO_PRINCIPAL) -> dict[str, int]:
    """Write everything into a new folder, all of one instant, and return how many rows each file has.

    Raises:
        ConflictError: the folder is there already and is not empty.
        DiskFullError: there is no room; the folder is not there then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"export to {folder}", "it is there already")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    remove_tree(partial)
    make_folder(partial)
    write = _write_jsonl if format == "jsonl" else _write_parquet
    try:
        counts = {}
        with store.database.read() as connection:
            for file in FILES:
                path = partial / f"{file.name}.{format}"
                counts[file.name] = write(path, file, _rows(connection, file, parquet=format == "parquet"))
        publish_folder(partial, folder)
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise DiskFullError(folder, 0, shutil.disk_usage(folder.parent).free) from error
        raise
    finally:
        remove_tree(partial)
    about = f"{sum(counts.values()):,} rows, as {format}"
    store.database.write(lambda connection: log(connection, by.name, "feedback exported", about, by.address))
    return counts


def _rows(connection: sa.Connection, file: File, *, parquet: bool) -> Iterator[list[dict[str, Any]]]:
    """Return the rows of a table in the form of a file, some at a time, in an order that does not change."""
    order = [file.table.c.number] if "number" in file.table.c else [file.table.c[name] for name in file.key]
    query = sa.select(file.table).order_by(*order)
    if file.table is clips:
        query = query.where((clips.c.state != "good") | (clips.c.changed != ""))  # the others are in the questions
    result = connection.execution_options(stream_results=True).execute(query).mappings()
    for some in result.partitions(BLOCK):
        rows = [dict(row) for row in some]
        if file.table is questions:
            _add_clips(connection, rows)
        yield [to_file(file, row, parquet=parquet) for row in rows]


def _add_clips(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    numbers = (rows[0]["number"], rows[-1]["number"])
    query = sa.select(segments).join(questions, questions.c.id == segments.c.question_id)
    query = query.where(questions.c.number.between(*numbers)).order_by(questions.c.number, segments.c.position)
    shown: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for clip in connection.execute(query):
        piece = {"episode_id": clip.episode_id, "start": clip.start, "length": clip.length}
        shown[clip.question_id].append(piece)
    for row in rows:
        row["clips"] = shown[row["id"]]


def _write_jsonl(path: Path, file: File, blocks: Iterator[list[dict[str, Any]]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for rows in blocks:
            for row in rows:
                out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += len(rows)
    return count


def _write_parquet(path: Path, file: File, blocks: Iterator[list[dict[str, Any]]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    clip = pa.struct([("episode_id", pa.string()), ("start", pa.int32()), ("length", pa.int32())])
    types = {"text": pa.string(), "json": pa.string(), "integer": pa.int32(), "number": pa.float64()}
    types["clips"] = pa.list_(clip)
    schema = pa.schema([pa.field(c.name, types[c.kind], nullable=c.nullable) for c in file.columns])
    count = 0
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as out:
        for rows in blocks:
            out.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count
