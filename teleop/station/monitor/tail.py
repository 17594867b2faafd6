"""A sample of a growing file of JSON lines: a few hundred rows, spread evenly, and the newest.

A file of ten thousand rows or of ten million costs the same: of each stretch of the file (a power of two bytes) the
first row is kept. When there are too many, stretches become twice as long, and every second row or so goes. Which rows
are kept depends on the file alone, not on when it was looked at; and what was read is not read again.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import open_whole
from robo_rlhf.core.json_lines import row_of

GULP = 2**20  # [bytes] of news that are read whole; of more, each stretch is visited
LINE = 2**16  # [bytes] that no row is longer than

Row = dict[str, Any]


class Tail:
    """The kept rows of one file; not safe to use from several threads at once."""

    def __init__(self, path: Path, most: int) -> None:
        """Keep at most `most` rows, and about half as many at least where there are as many."""
        self.path, self.most = path, most
        self.epoch = 0  # grows whenever rows that were there have gone
        self._forget()

    def _forget(self) -> None:
        self.rows: list[Row] = []
        self.last: Row | None = None  # the newest row, whether it is kept or not
        self._starts: list[int] = []  # where the kept rows begin [bytes]
        self._last_start = -1
        self._stretch = 1
        self._file: tuple[int, int] | None = None  # device and inode
        self._end = 0  # of the last whole line that was looked at [bytes]

    def refresh(self) -> bool:
        """Read what is new; return whether anything changed."""
        try:
            with open_whole(self.path, "") as file:
                return self._read(file)
        except (OSError, CorruptFileError):
            if self._file is None:
                return False
            self._forget()
            self.epoch += 1
            return True

    def _read(self, file: IO[bytes]) -> bool:
        status = os.fstat(file.fileno())
        replaced = self._file is not None and (
            (status.st_dev, status.st_ino) != self._file or status.st_size < self._end
        )
        if replaced:
            self._forget()
            self.epoch += 1
        self._file = (status.st_dev, status.st_ino)
        end = _end_of_lines(file, self._end, status.st_size)
        if end == self._end:
            return replaced
        while end > self._stretch * self.most and end - self._end > GULP:
            self._lengthen()
        if end - self._end <= GULP:
            self._take_all(file, end)
        else:
            self._take_some(file, end)
        while len(self.rows) > self.most:
            self._lengthen()
        self._end = end
        return True

    def _take_all(self, file: IO[bytes], end: int) -> None:
        start = self._end
        file.seek(start)
        for line in file.read(end - start).splitlines(keepends=True):
            self._keep(start, line)
            start += len(line)

    def _take_some(self, file: IO[bytes], end: int) -> None:
        """Read the first line of each stretch, and the last line of all."""
        for number in range(self._end // self._stretch, end // self._stretch + 1):
            start = max(number * self._stretch, self._end)
            file.seek(max(start - 1, 0))
            if start:
                start += len(file.readline(LINE)) - 1
            if start < min((number + 1) * self._stretch, end):
                self._keep(start, file.readline(LINE))
        file.seek(max(end - LINE, self._end))
        lines = file.read(end - file.tell()).splitlines()
        self._keep(end - len(lines[-1]) - 1, lines[-1])

    def _keep(self, start: int, line: bytes) -> None:
        """Keep a line where it is the first of its stretch; damaged ones are ignored."""
        first = not self._starts or start // self._stretch > self._starts[-1] // self._stretch
        try:
            row = row_of(line.removesuffix(b"\n"))
        except ValueError:
            return
        self.last, self._last_start = row, start
        if first:
            self.rows.append(row)
            self._starts.append(start)

    def _lengthen(self) -> None:
        """Make stretches twice as long."""
        self._stretch *= 2
        kept: list[tuple[int, Row]] = []
        for start, row in zip(self._starts, self.rows, strict=True):
            if not kept or start // self._stretch > kept[-1][0] // self._stretch:
                kept.append((start, row))
        if len(kept) < len(self.rows):
            self.epoch += 1
            self._starts, self.rows = [start for start, _ in kept], [row for _, row in kept]

    def newest(self) -> list[Row]:
        """Return the kept rows, and the newest after them."""
        if self.last is None or (self._starts and self._starts[-1] == self._last_start):
            return list(self.rows)
        return [*self.rows, self.last]


def _end_of_lines(file: IO[bytes], start: int, size: int) -> int:
    """Return where the last whole line ends; `start` where there is none after it."""
    at = size
    while at > start:
        block = max(at - LINE, start)
        file.seek(block)
        found = file.read(at - block).rfind(b"\n")
        if found >= 0:
            return block + found + 1
        at = block
    return start


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries of a row that are finite numbers."""
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    }
