"""The journal of an episode: an Arrow IPC stream that grows at its end and can be torn anywhere.

Row 0 is the first frame, row t the step that led to frame t together with that frame. The stream's schema carries the
episode's metadata; every batch, the first together with the schema, carries a seal, so that after a crash all whole
batches, and nothing else, are read back. A writer holds a lock on its journal for as long as it lives.
"""

import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from robo_rlhf.data.schema import (
    DECODE_ERRORS,
    FORMAT,
    FRAME_COLUMNS,
    HEADER_KEY,
    SEAL_KEY,
    Columns,
    corrupt,
    from_arrow,
    meta_from_json,
    meta_to_json,
    to_arrow,
)
from robo_rlhf.errors import VersionError
from robo_rlhf.files import open_whole
from robo_rlhf.seal import BLANK, MARK, seal, sealed_length
from robo_rlhf.types import Array, EpisodeMeta

Row = Mapping[str, Array]  # name → () or (k,)
Spec = Mapping[str, tuple[str, tuple[int, ...]]]  # name → dtype and shape of a row


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
        schema = table.schema.with_metadata({HEADER_KEY: header})
        self._sink = io.BytesIO()
        self._stream = pa.ipc.new_stream(self._sink, schema)
        self._schema = schema

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the bytes to append for the next rows."""
        batch = pa.RecordBatch.from_arrays(self._table(stack(rows)).columns, schema=self._schema)
        self._stream.write_batch(batch, custom_metadata={SEAL_KEY: BLANK})
        content = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return seal(content, content.index(MARK))

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
    """Lock a journal that nobody writes and return its descriptor, to be closed; None where somebody does.

    Raises:
        CorruptFileError: what lies there is no file.
    """
    try:
        with open_whole(path, "It is no journal.") as found:
            file = os.dup(found.fileno())
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


def read_journal(path: Path, content: bytes) -> Journal:
    """Return what the bytes of a journal hold, as far as they are whole.

    Raises:
        CorruptFileError: not even the first piece of it is, or there are no bytes.
        VersionError: another version of the format.
    """
    whole, reason = _sealed_pieces(content)
    if not whole:
        raise corrupt(path, reason or "it is empty")
    try:
        stream = pa.ipc.open_stream(pa.BufferReader(content[:whole]))
        header = json.loads(stream.schema.metadata[HEADER_KEY])
        if header["format"] != FORMAT:
            raise VersionError(path, header["format"], FORMAT, "Open it with the version of robo-rlhf that wrote it.")
        spec = {name: (dtype, tuple(shape)) for name, (dtype, shape) in header["columns"].items()}
        batches = [_batch_columns(batch, spec) for batch in stream]
    except DECODE_ERRORS as error:
        raise corrupt(path, error) from error
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in spec}
    return Journal(meta_from_json(header["meta"]), drop_first_step(columns), len(content) - whole, reason)


def _sealed_pieces(content: bytes) -> tuple[int, str]:
    """Return how many bytes from the beginning are whole pieces, and what is wrong with those after, if any."""
    done = 0
    while done < len(content):
        try:
            done += sealed_length(content, done, content.find(MARK, done))
        except ValueError as error:
            return done, str(error)
    return done, ""


def _batch_columns(batch: pa.RecordBatch, spec: Spec) -> Columns:
    rows = batch.num_rows
    return {
        name: np.zeros((rows, *shape), dtype) if 0 in shape else from_arrow(batch[name], dtype, (rows, *shape))
        for name, (dtype, shape) in spec.items()
    }


def _is_at(file: int, path: Path) -> bool:
    """Whether the open `file` is the one that lies at `path`."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
