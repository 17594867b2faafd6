"""The journal of an episode: an Arrow IPC stream that grows at its end and can be torn anywhere.

Row 0 is the first frame, row t the step that led to frame t together with that frame. The stream's schema carries the
episode's metadata; every batch carries the number of its first row and a CRC-32, so that after a crash all whole
batches, and nothing else, are read back. A writer holds a lock on its journal for as long as it lives.
"""

import fcntl
import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from robo_rlhf.data.schema import (
    CHECK_KEY,
    DECODE_ERRORS,
    FORMAT,
    FRAME_COLUMNS,
    HEADER_KEY,
    Columns,
    checksum,
    corrupt,
    from_arrow,
    meta_from_json,
    meta_to_json,
    to_arrow,
)
from robo_rlhf.errors import VersionError
from robo_rlhf.types import Array, EpisodeMeta

Row = Mapping[str, Array]  # name → () or (k,)
Spec = Mapping[str, tuple[str, tuple[int, ...]]]  # name → dtype and shape of a row
_FIRST, _CRC = b"first_row", b"crc32"


class Journal(NamedTuple):
    """What could be read of a journal."""

    meta: EpisodeMeta
    columns: Columns  # as in an episode: T+1 frames, T steps
    unread: int  # bytes at the end that could not be read
    reason: str  # why not


class Encoder:
    """Turns rows into the bytes of a journal, piece by piece."""

    def __init__(self, meta: EpisodeMeta, first: Row) -> None:
        """`first` is row 0; all rows have its names, types and shapes."""
        self._spec = {name: (str(value.dtype), value.shape) for name, value in first.items()}
        header = json.dumps({"format": FORMAT, "meta": meta_to_json(meta), "columns": self._spec}).encode()
        table = self._table(stack([first]))
        schema = table.schema.with_metadata({HEADER_KEY: header, CHECK_KEY: b"%08x" % zlib.crc32(header)})
        self._sink = io.BytesIO()
        self._stream = pa.ipc.new_stream(self._sink, schema)
        self._schema = schema
        self._rows = 0

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the bytes to append for the next rows."""
        columns = stack(rows)
        batch = pa.RecordBatch.from_arrays(self._table(columns).columns, schema=self._schema)
        check = {_FIRST: b"%d" % self._rows, _CRC: b"%08x" % _batch_checksum(columns, self._rows)}
        self._stream.write_batch(batch, custom_metadata=check)
        self._rows += len(rows)
        content = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return content

    def _table(self, columns: Columns) -> pa.RecordBatch:
        kept = {name: to_arrow(value, len(value)) for name, value in columns.items() if 0 not in value.shape[1:]}
        return pa.RecordBatch.from_pydict(kept)


class JournalFile:
    """An open, locked journal."""

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            FileExistsError: there is one already.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        while True:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if _is_at(self._file, path):
                break
            os.close(self._file)  # taken for an empty leftover and removed before it could be locked
        self._size = 0

    def append(self, content: bytes) -> None:
        """Write all of `content` at the end, or none of it.

        Raises:
            OSError: the system could not write it, as on a full disk; the file is as it was.
        """
        done = 0
        try:
            while done < len(content):
                done += os.write(self._file, memoryview(content)[done:])
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += done

    def sync(self) -> None:
        """Wait until the disk holds what was written."""
        os.fdatasync(self._file)

    def close(self, *, delete: bool) -> None:
        """Release the lock, and remove the file first where it is not needed any more."""
        if delete:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def lock_left_over(path: Path) -> int | None:
    """Lock a journal that nobody writes and return its descriptor, to be closed; None where somebody does."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, path):
            return file
    except BlockingIOError:
        pass
    os.close(file)
    return None


def stack(rows: Sequence[Row]) -> Columns:
    """Return the columns of rows that all have the same names."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def drop_first_step(columns: Columns) -> Columns:
    """Return the columns of an episode out of those of its journal, where row 0 has no step."""
    return {name: value if name in FRAME_COLUMNS else value[1:] for name, value in columns.items()}


def read_journal(path: Path, content: bytes) -> Journal | None:
    """Return what the bytes of a journal hold, as far as they are whole; None where they hold a header and no step.

    Raises:
        CorruptFileError: there are bytes after the header or in it, and no step can be read.
        VersionError: another version of the format.
    """
    source = pa.BufferReader(content)
    try:
        stream = pa.ipc.open_stream(source)
        header = _parse_header(stream.schema.metadata)
    except DECODE_ERRORS as error:
        raise corrupt(path, error) from error
    if header["format"] != FORMAT:
        raise VersionError(path, header["format"], FORMAT, "Open it with the version of robo-rlhf that wrote it.")
    spec = {name: (dtype, tuple(shape)) for name, (dtype, shape) in header["columns"].items()}
    batches: list[Columns] = []
    rows, good, reason = 0, source.tell(), ""
    while not reason:
        try:
            columns = _next_batch(stream, spec, rows)
        except StopIteration:
            reason = "its end is torn"
        except DECODE_ERRORS as error:
            reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        else:
            batches.append(columns)
            rows, good = rows + len(columns["obs"]), source.tell()
    unread = len(content) - good
    if rows < 2:
        if unread:
            raise corrupt(path, reason)
        return None
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in spec}
    return Journal(meta_from_json(header["meta"]), drop_first_step(columns), unread, reason)


def _parse_header(stored: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    if stored is None or int(stored[CHECK_KEY], 16) != zlib.crc32(stored[HEADER_KEY]):
        raise ValueError("the checksum of its header does not fit")
    header = json.loads(stored[HEADER_KEY])
    assert isinstance(header, dict)
    return header


def _next_batch(stream: pa.RecordBatchStreamReader, spec: Spec, rows: int) -> Columns:
    """Return the next batch, which begins at row number `rows`, checked."""
    batch, check = stream.read_next_batch_with_custom_metadata()
    shapes = {name: (dtype, (batch.num_rows, *shape)) for name, (dtype, shape) in spec.items()}
    columns = {
        name: np.zeros(shape, dtype) if 0 in shape[1:] else from_arrow(batch[name], dtype, shape)
        for name, (dtype, shape) in shapes.items()
    }
    if check is None or int(check[_FIRST]) != rows or int(check[_CRC], 16) != _batch_checksum(columns, rows):
        raise ValueError(f"the checksum after row {rows} does not fit")
    return columns


def _batch_checksum(columns: Columns, first_row: int) -> int:
    return zlib.crc32(b"%d" % first_row + b"".join(b"%08x" % checksum(columns[name]) for name in sorted(columns)))


def _is_at(file: int, path: Path) -> bool:
    """Whether the open `file` is the one that lies at `path`."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
