"""EpisodeWriter: records one episode so that a crash at any instant loses at most half a second of it.

The control loop only appends to memory. One thread writes new steps to the journal ten times a second, so that they
survive the end of the process; another syncs the journal to the disk, so that they survive a power cut.
So a disk that stalls never stalls the loop. Closing writes the Parquet file from memory, then removes the journal.
"""

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from robo_rlhf.core.errors import ConflictError, DiskError, DiskFullError, InvalidValueError, RoboRlhfError, ShapeError
from robo_rlhf.core.files import DISK_FULL_ERRNOS, require_disk_space, write_atomic
from robo_rlhf.core.types import Array, EpisodeMeta, Outcome
from robo_rlhf.data.layout import MANIFEST, check_id, episode_path, journal_path, new_id, now
from robo_rlhf.data.recording.remarks import Remark, forget_remark, write_remark
from robo_rlhf.data.recording.stream import Encoder, JournalFile, Row, drop_first_step, frame_row, stack
from robo_rlhf.data.schema import FRAME_COLUMNS, Columns, encode

FLUSH_INTERVAL = 0.1  # [s]
SYNC_INTERVAL = 0.25  # [s]
DISK_CHECK_INTERVAL = 1.0  # [s] between checks of the free space on the disk


class EpisodeWriter:
    """An episode that is being recorded. Leaving its `with` block without closing it leaves it for recovery."""

    def __init__(self, folder: Path, meta: EpisodeMeta, obs: Array, state: Array, *, success: bool = False) -> None:
        """Begin an episode in the dataset at `folder`.

        Args:
            folder: of the dataset.
            meta: what is known so far; an empty `id` or `started` is filled in.
            obs: the first observation (obs_dim,).
            state: the first simulator state (nstate,), or (0,).
            success: whether the task is done from the start.

        Raises:
            DiskFullError: there is too little room to begin.
            ConflictError: there is such an episode already, closed or open.
        """
        self.meta = replace(meta, id=check_id(meta.id or new_id()), started=meta.started or now())
        self.folder = folder
        require_disk_space(folder, 0)
        if episode_path(folder, self.id).exists():
            raise ConflictError(f"episode {self.id!r}", f"{folder} holds it already")
        try:
            self._file = JournalFile(journal_path(folder, self.id))
        except FileExistsError:
            raise ConflictError(f"episode {self.id!r}", f"{folder} holds a journal of it already") from None
        self._first = frame_row(obs, state, success)
        self._rows: list[Row] = []  # row 0 is the first frame, known in full when the first step is
        self._encoder: Encoder | None = None
        self._encoded = 0  # rows
        self._pending = b""  # encoded, not written yet
        self._dirty = False  # written, not synced yet
        self._anew = False  # the journal is to be written from its beginning
        self._trouble: OSError | None = None
        self._unkept: OSError | None = None  # the disk does not confirm that it stored what was written
        self._disk_full: DiskFullError | None = None
        self._io = threading.Lock()
        self._remarks = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"journal {self.id}", daemon=True)
            for target in (self._flush_loop, self._sync_loop)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def id(self) -> str:
        """The episode's id."""
        return self.meta.id

    def __len__(self) -> int:
        """Return the number of steps recorded so far."""
        return max(len(self._rows) - 1, 0)

    @property
    def trouble(self) -> RoboRlhfError | OSError | None:
        """The problem that keeps steps from the disk, or soon will; None while all is well. It clears by itself."""
        trouble = self._trouble or self._unkept
        if trouble is None:
            return self._disk_full
        if trouble.errno in DISK_FULL_ERRNOS:
            return DiskFullError(self.folder, len(self._pending), 0)
        return trouble if isinstance(trouble, DiskError) else DiskError(self._file.path, trouble)

    def append(self, row: Row) -> None:
        """Record one step; see `step_row`. It is kept, in memory at least, also when this raises as the disk is full.

        Raises:
            ShapeError: something does not fit the steps before; the step is not recorded.
            InvalidValueError: the episode is closed, or the step has other signals than those before.
            DiskFullError: the disk is full; stop, make room and continue when `trouble` is None.
        """
        if self._stop.is_set():
            raise InvalidValueError(f"episode {self.id}", "a step after it was closed", "an open episode")
        self._check(row)
        if self._rows:
            self._rows.append(row)
        else:
            empty = {name: np.zeros_like(value) for name, value in row.items() if name not in FRAME_COLUMNS}
            self._rows += [{**self._first, **empty}, row]
        trouble = self.trouble
        if trouble is not None:
            raise trouble.with_traceback(None)

    def remark(self, outcome: Outcome | None, note: str) -> None:
        """Store remarks on the episode so far in case of a crash: recovery closes it with them.

        Raises:
            DiskFullError: there is no room for it.
        """
        with self._remarks:
            if not self._stop.is_set():
                write_remark(self.folder, self.id, Remark(outcome, note))

    def close(self, outcome: Outcome, *, note: str = "", tags: tuple[str, ...] = (), marked: bool = False) -> str:
        """Make the episode part of the dataset and return its id; all of it or, after an error, still open.

        Args:
            outcome: how it ended.
            note: a person's remark on it.
            tags: further tags.
            marked: whether a person says that it ended so.

        Raises:
            DiskFullError: no room for it; make room and close again.
            DiskError: the disk did not take it, or the dataset is gone; close again when it does, or is back.
            InvalidValueError: it has no step yet (discard it), or is closed already.
        """
        if not len(self) or self._stop.is_set():
            given = "an episode that is closed already" if self._stop.is_set() else "no step"
            raise InvalidValueError(f"closing episode {self.id}", given, "an open episode of at least one step")
        tags = (*self.meta.tags, *tags)
        note = note or self.meta.note
        meta = replace(self.meta, outcome=outcome, marked=marked, finished=now(), note=note, tags=tags)
        content = encode(self.columns(), meta)
        self._require()
        write_atomic(episode_path(self.folder, self.id), content, reserve=0)
        self._end(delete=True)
        return self.id

    def discard(self) -> None:
        """Forget the episode for good. To be able to undo that, close it and delete it from the dataset instead.

        Raises:
            DiskError: a power cut may bring it back.
        """
        with contextlib.suppress(FileNotFoundError):  # the dataset is gone, and the episode with it
            self._end(delete=True, durable=True)

    def columns(self) -> Columns:
        """Return what has been recorded so far, T+1 frames and T steps, by column name (see `schema`)."""
        return drop_first_step(stack(list(self._rows)))

    def row(self, index: int) -> Row:
        """Return frame `index`, 0 to len(self), and from 1 on the step that led to it; not to be changed."""
        return self._rows[index] if self._rows else self._first

    def branch(self, step: int, episode_id: str = "", **fields: Any) -> "EpisodeWriter":
        """Begin another episode with this one's first `step` steps: this is how rewinding to frame `step` works.

        This one stays open: discard it, or close it as what it is. The new one names it as its parent, and has its
        metadata but for `fields`.
        """
        return begin_branch(self.folder, self.columns(), self.meta, step, episode_id, **fields)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave an episode that is still open to recovery, whole.

        Raises:
            DiskFullError: its last steps are lost, as they could not be written.
        """
        if not self._stop.is_set():
            self._end(delete=not len(self))
            trouble = self.trouble
            if self._pending and trouble is not None:
                raise trouble

    def _check(self, row: Row) -> None:
        wanted = self._rows[-1] if self._rows else self._first
        for name, value in wanted.items():
            if name not in row:
                raise InvalidValueError(f"step {len(self)} of episode {self.id}", f"no {name}", f"{name} as before")
            if row[name].shape != value.shape:
                raise ShapeError(f"{name} of step {len(self)} of episode {self.id}", value.shape, row[name].shape)
        if self._rows and len(row) > len(wanted):
            extra = sorted(row.keys() - wanted.keys())
            raise InvalidValueError(f"step {len(self)} of episode {self.id}", f"also {extra}", "signals as before")

    def _flush(self) -> None:
        """Write what is new to the journal; what cannot be written now is kept and tried again."""
        with self._io:
            rows = self._rows[self._encoded :]
            if rows:
                self._encoder = self._encoder or Encoder(self.meta, rows[0])
                self._pending += self._encoder.encode(rows)
                self._encoded += len(rows)
            if not self._pending:
                return
            try:
                self._require()
                (self._file.rewrite if self._anew else self._file.append)(self._pending)
            except OSError as error:
                self._trouble = error
            else:
                self._pending, self._trouble, self._anew, self._dirty = b"", None, False, True

    def _require(self) -> None:
        """Check that the dataset is there: one on a disk that was removed is not made again."""
        if not (self.folder / MANIFEST).exists():
            self._file.require()

    def _flush_loop(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(FLUSH_INTERVAL):
            self._flush()
            if time.monotonic() - looked >= DISK_CHECK_INTERVAL:
                looked = time.monotonic()
                self._check_disk()

    def _check_disk(self) -> None:
        try:
            require_disk_space(self.folder, 0)
            self._disk_full = None
        except DiskFullError as error:
            self._disk_full = error
        except OSError as error:
            self._trouble = error

    def _sync_loop(self) -> None:
        while not self._stop.wait(SYNC_INTERVAL):
            if self._dirty:
                self._dirty = False
                try:
                    self._file.sync()
                    self._unkept = None
                except OSError as error:
                    self._write_again(error)

    def _write_again(self, error: OSError) -> None:
        """Have all of the journal written anew: what could not be synced is forgotten, and the next sync succeeds."""
        with self._io:
            self._unkept, self._anew = error, True
            self._encoder, self._encoded, self._pending = None, 0, b""

    def _end(self, *, delete: bool, durable: bool = False) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if delete:
            with self._remarks:
                forget_remark(self.folder, self.id)
        else:
            self._flush()
        self._file.close(delete=delete, durable=durable)


def begin_branch(
    folder: Path, columns: Columns, whole: EpisodeMeta, step: int, episode_id: str = "", **fields: Any
) -> EpisodeWriter:
    """Begin an episode with the first `step` steps of another, given by its columns, and its metadata but for `fields`.

    Raises:
        InvalidValueError: the other one has no such frame.
    """
    steps = len(columns["action"])
    if not 0 <= step <= steps:
        raise InvalidValueError(f"frame of episode {whole.id}", str(step), f"0 to {steps}")
    meta = replace(whole, id=episode_id, parent=whole.id, parent_step=step, trimmed=False)
    new: dict[str, Any] = {"started": "", "finished": "", "note": "", "tags": (), "marked": False, **fields}
    meta = replace(meta, **new)
    frame = {name: columns[name] for name in FRAME_COLUMNS}
    writer = EpisodeWriter(folder, meta, frame["obs"][0], frame["state"][0], success=bool(frame["success"][0]))
    for t in range(step):
        writer.append({name: value[t + (name in FRAME_COLUMNS)] for name, value in columns.items()})
    return writer
