"""The journal of an episode: an Arrow IPC stream that grows at its end and can be torn anywhere.

Row 0 is the first frame, row t the step that led to frame t together with that frame. The stream's schema carries the
episode's metadata; every batch, the first together with the schema, carries a seal, so that after a crash all whole
batches, and nothing else, are read back. A writer holds a lock on its journal for as long as it lives.
"""

import errno
import fcntl
import io
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from robo_rlhf.core.errors import (
    DiskError,
    InvalidValueError,
    VersionError,
)
from robo_rlhf.core.files import (
    GONE,
    is_at,
    make_folder,
    open_whole,
    remove,
    sync,
)
from robo_rlhf.core.seal import (
    BLANK,
    MARK,
    parse_json,
    seal,
    sealed_length,
)
from robo_rlhf.core.types import (
    Array,
    EpisodeMeta,
    Source,
    Step,
)
from robo_rlhf.data.schema import (
    DECODE_ERRORS,
    FORMAT,
    FRAME_COLUMNS,
    HEADER_KEY,
    SEAL_KEY,
    SIGNAL,
    Columns,
    corrupt,
    from_arrow,
    meta_from_json,
    meta_to_json,
    to_arrow,
)

Row = Mapping[str, Array]  # name → () or (k,)
Spec = Mapping[str, tuple[str, tuple[int, ...]]]  # name → dtype and shape of a row


class Journal(NamedTuple):
    """The readable part of a journal."""

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
        kept = [name for name, (_, shape) in self._spec.items() if 0 not in shape]  # in this order in every batch
        return pa.RecordBatch.from_pydict({name: to_arrow(columns[name], len(columns[name])) for name in kept})


class JournalFile:
    """An open, locked journal."""

    def __init__(self, path: Path) -> None:
        """Create the file, so that its name survives a power cut.

        Raises:
            FileExistsError: there is one already.
            DiskFullError, DiskError: it cannot be made; there is none.
        """
        make_folder(path.parent)
        self.path = path
        while True:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if is_at(self._file, path):
                break
            os.close(self._file)  # taken for an empty leftover and removed before it could be locked
        self._size = 0
        try:
            sync(path.parent)  # its name
        except OSError:
            self.close(delete=True)
            raise

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
        """Wait until the disk holds what was written.

        Raises:
            OSError: it does not confirm it. The data may be lost, even if a later sync succeeds: write it again.
        """
        os.fdatasync(self._file)

    def require(self) -> None:
        """Check that the file is where it was made.

        Raises:
            DiskError: it, or a folder above it, is gone.
        """
        if not is_at(self._file, self.path):
            raise DiskError(self.path, OSError(errno.ENOENT, GONE))

    def rewrite(self, content: bytes) -> None:
        """Write `content` in the place of all that was written."""
        os.ftruncate(self._file, 0)
        self._size = 0
        self.append(content)

    def close(self, *, delete: bool, durable: bool = False) -> None:
        """Release the lock, and remove the file first where it is not needed; `durable`: no power cut undoes that."""
        try:
            if delete:
                remove(self.path, missing_ok=True, durable=durable)
        finally:
            os.close(self._file)


def lock_left_over(path: Path) -> int | None:
    """Lock a journal that no process writes and return its descriptor, to be closed; None where a process writes it.

    Raises:
        CorruptFileError: it is not a regular file.
    """
    try:
        with open_whole(path, "It is no journal.") as found:
            file = os.dup(found.fileno())
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(file, path):
            return file
    except BlockingIOError:
        pass
    os.close(file)
    return None


def frame_row(obs: Array, state: Array, success: bool) -> dict[str, Array]:
    """Return a frame as part of a row."""
    return {
        "obs": np.array(obs, dtype=np.float32),
        "state": np.array(state, dtype=np.float64),
        "success": np.array(success, dtype=np.bool_),
    }


def step_row(
    obs: Array,
    state: Array,
    action: Array,
    reward: float,
    success: bool,
    source: Source | int,
    signals: Mapping[str, Array],
    wall_time: float | None = None,
    input_age: float = math.nan,
) -> Row:
    """Return a step, and the frame that it led to, as a row.

    Args:
        obs: the observation after the step (obs_dim,).
        state: the simulator state after the step (nstate,).
        action: as applied (act_dim,), in [-1, 1].
        reward: the task's, of this step.
        success: whether the task is done after the step.
        source: who chose the action.
        signals: name → (k,), what style measures are computed from.
        wall_time: when the action was applied [s since 1970]; now where None.
        input_age: how old the operator's input then was [s]; NaN where it is not known.

    Raises:
        InvalidValueError: the action is not finite or outside [-1, 1].
    """
    applied = np.array(action, dtype=np.float32)
    if not (np.abs(applied) <= 1.0).all():
        raise InvalidValueError("action", np.array2string(applied, precision=3), "finite values within [-1, 1]")
    return {
        **frame_row(obs, state, success),
        "action": applied,
        "reward": np.array(reward, dtype=np.float32),
        "source": np.array(int(source), dtype=np.uint8),
        **{SIGNAL + name: np.array(value, dtype=np.float32).reshape(-1) for name, value in sorted(signals.items())},
        "wall_time": np.array(time.time() if wall_time is None else wall_time, dtype=np.float64),
        "input_age": np.array(input_age, dtype=np.float32),
    }


def row_of(
    step: Step, state: Array, source: Source, wall_time: float | None = None, input_age: float = math.nan
) -> Row:
    """Return copy 0 of a step that led it to `state` (nstate,) as a row; see `step_row`."""
    signals = {name: value[0] for name, value in step.signals.items()}
    reward, success = float(step.reward[0]), bool(step.success[0])
    return step_row(step.obs[0], state, step.applied[0], reward, success, source, signals, wall_time, input_age)


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
        header = parse_json(stream.schema.metadata[HEADER_KEY])
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
