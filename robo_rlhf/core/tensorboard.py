"""Event files for TensorBoard: metrics of a run as scalars, written without TensorBoard itself.

An event file is a row of records: its length [uint64], a checksum of that, the bytes, a checksum of these (Castagnoli's
CRC-32, turned and shifted: "masked"). The bytes are a protocol buffer `Event` of which four fields are used:

    1 wall_time [double, s since 1970]   2 step [varint]   3 file_version [string]   5 summary   7 session_log

One record holds all scalars of a step. A session that resumes writes a separate file, which begins with the step from
which it counts (`SessionLog.START`); what earlier files hold from there on is cut off, so that no reader sees a step
twice. `tensorboard --logdir RUNS` shows each stage of each run.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from robo_rlhf.core.files import open_whole

PATTERN = "events.out.tfevents.*"
VERSION = b"brain.Event:2"  # what readers expect of the first record
_HEAD, _FOOT = struct.Struct("<QI"), struct.Struct("<I")  # around the bytes of a record
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected


class EventFile:
    """The event files of one folder; this session's own is made when something is first written."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which need not exist yet."""
        self.folder = folder
        self._path: Path | None = None

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append the scalars of a step."""
        content = b""
        if self._path is None:
            content = self._begin(step)
        assert self._path is not None
        with self._path.open("ab") as file:
            file.write(content + _record(_event(step, _summary(scalars))))

    def rewind(self, step: int) -> None:
        """Cut off what was written after `step`, and what a crash left unfinished."""
        for path in sorted(self.folder.glob(PATTERN)):
            end = _last_end(path, step)
            if end < path.stat().st_size:
                os.truncate(path, end)

    def _begin(self, step: int) -> bytes:
        """Name this session's file, and return what it begins with."""
        earlier = sorted(self.folder.glob(PATTERN))
        for path in earlier[-1:]:
            os.truncate(path, _last_end(path))
        number = time.time()
        while True:  # readers take files in the order of their names
            name = f"events.out.tfevents.{int(number):010d}.{socket.gethostname()}.{os.getpid()}.{len(earlier)}"
            if not earlier or name > earlier[-1].name:
                break
            number += 1
        self._path = self.folder / name
        begun = _record(_event(0, b"\x1a" + _bytes(VERSION)))
        return begun + (_record(_event(step, b"\x3a" + _bytes(b"\x08\x01"))) if earlier else b"")


def step_times(folder: Path) -> Iterator[tuple[int, float]]:
    """Yield the step of each record in a folder's event files, and when it was written [s since 1970]."""
    for path in sorted(folder.glob(PATTERN)):
        for _, step, at in _records(path):
            if step:
                yield step, at


def _last_end(path: Path, step: int | None = None) -> int:
    """Return where the last whole record ends, or the last one before those after `step`."""
    last = 0
    for end, found, _ in _records(path):
        if step is not None and found > step:
            break
        last = end
    return last


def _records(path: Path) -> Iterator[tuple[int, int, float]]:
    """Yield where each whole record ends, its step, and when it was written [s since 1970]."""
    with open_whole(path, "Remove it.") as file:
        size, end = os.fstat(file.fileno()).st_size, 0
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, _ = _HEAD.unpack(head)
            end += _HEAD.size + length + _FOOT.size
            if end > size:
                return
            event = file.read(length)
            file.seek(end)
            yield end, _step(event), struct.unpack("<d", event[1:9])[0] if len(event) > 9 else 0.0


def _step(event: bytes) -> int:
    """Return the step of an event: the varint after its time."""
    value = shift = 0
    for byte in event[10:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return value


def _event(step: int, content: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + content


def _summary(scalars: Mapping[str, float]) -> bytes:
    values = b""
    for name, value in scalars.items():
        one = b"\x0a" + _bytes(name.encode()) + b"\x15" + struct.pack("<f", _single(value))
        values += b"\x0a" + _bytes(one)
    return b"\x2a" + _bytes(values)


def _single(value: float) -> float:
    """Return a number that single precision can hold; larger ones are infinite there."""
    return value if abs(value) < 3.4028235e38 or value != value else float("inf") * (1 if value > 0 else -1)


def _bytes(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _FOOT.pack(_masked(length)) + content + _FOOT.pack(_masked(content))


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL * (value & 1)
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def _masked(content: bytes) -> int:
    """Return the masked checksum of some bytes."""
    table, value = _TABLE, 0xFFFFFFFF
    for byte in content:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF
