"""Rendered pictures on disk, by content: made once for all requests; the least recently used are deleted first.

All of it can be deleted at any time: it is made again when it is asked for.
"""

import asyncio
import contextlib
import io
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO

from cachetools import LRUCache

from robo_rlhf.core.errors import CorruptFileError, DiskFullError
from robo_rlhf.core.files import RESERVE, open_whole, remove, write_atomic

LIMIT = 2 * 2**30  # [bytes]
KEEP_FREE = 4 * RESERVE  # [bytes] of the disk that are reserved for recordings
TOUCH = 60.0  # [s] between notes that a file was used, which is what its time of change says


class CachedBytes:
    """Bytes that can be read from any place: a file that stays readable when it is thrown away, or plain memory."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read `file`; it is closed with this."""
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    @classmethod
    def of(cls, content: bytes) -> "CachedBytes":
        """Return bytes in memory."""
        return cls(io.BytesIO(content))

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes [start, stop)."""
        self._file.seek(start)
        return self._file.read(stop - start)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


class _Sizes(LRUCache[str, int]):
    """Sizes of files by key [bytes], together at most a limit; `gone` are those that gave way, the least used."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, getsizeof=lambda size: size)
        self.gone: list[str] = []

    def popitem(self) -> tuple[str, int]:
        key, size = super().popitem()
        self.gone.append(key)
        return key, size


class ClipCache:
    """A folder of files by key, at most `limit` bytes of them. Its coroutines belong to one event loop."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """Keep files in `folder`; what is there already is looked through on first use."""
        self.folder, self.limit = folder, limit
        self._sizes = _Sizes(limit)
        self._touched: dict[str, float] = {}
        self._lock = threading.Lock()
        self._scanned = False
        self._making: dict[str, _Making] = {}

    def __contains__(self, key: str) -> bool:
        """Whether the file is there."""
        with self._lock:
            self._scan()
            return key in self._sizes

    @property
    def total(self) -> int:
        """Bytes of all files."""
        with self._lock:
            self._scan()
            return int(self._sizes.currsize)

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> CachedBytes:
        """Return the content for `key`, by `make` where it is not there.

        Concurrent callers wait for the same `make`, which is cancelled when the last of them has gone.

        Args:
            key: letters, digits and a suffix; equal keys mean equal content.
            make: returns the content; its exception is raised to all waiting callers, and nothing is stored.
        """
        body = await asyncio.to_thread(self._open, key)
        if body is not None:
            return body
        making = self._making.get(key)
        if making is None and key in self:  # finished between the two looks
            return await self.get(key, make)
        if making is None:
            making = self._making[key] = _Making(asyncio.create_task(self._make(key, make)))
            making.task.add_done_callback(lambda _: self._over(key, making))
        try:
            return CachedBytes.of(await making.wait())
        finally:
            if making.given_up:
                self._over(key, making)  # at once, so that no other caller joins it any more

    async def _make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        content = await make()
        with contextlib.suppress(DiskFullError, OSError):  # it can be shown without being kept
            await asyncio.to_thread(self._store, key, content)
        return content

    def _over(self, key: str, making: "_Making") -> None:
        if self._making.get(key) is making:
            del self._making[key]

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _open(self, key: str) -> CachedBytes | None:
        with self._lock:
            self._scan()
            if self._sizes.get(key) is None:  # which also notes the use
                return None
        try:
            path = self._path(key)
            body = CachedBytes(open_whole(path, ""))
            if time.monotonic() - self._touched.get(key, -TOUCH) >= TOUCH:
                self._touched[key] = time.monotonic()
                os.utime(path)
        except (OSError, CorruptFileError):
            self._forget(key)
            return None
        return body

    def _store(self, key: str, content: bytes) -> None:
        """Write a file, then throw others away until all fit."""
        if len(content) > self.limit:
            return
        write_atomic(self._path(key), content, reserve=KEEP_FREE)
        with self._lock:
            self._scan()
            self._sizes[key] = len(content)
            self._remove_gone()

    def _forget(self, key: str) -> None:
        with self._lock:
            self._sizes.pop(key, None)
            self._touched.pop(key, None)

    def _scan(self) -> None:
        """Look through the folder, once; unfinished files of a crash are removed. The lock is held."""
        if self._scanned:
            return
        found = []
        for place, _, names in os.walk(self.folder):
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(OSError):
                    if name.startswith("."):
                        remove(path, durable=False)
                        continue
                    status = path.stat()
                    found.append((status.st_mtime, name, status.st_size))
        for _, name, size in sorted(found):
            if size > self.limit:
                self._sizes.gone.append(name)
            else:
                self._sizes[name] = size
        self._remove_gone()
        self._scanned = True

    def _remove_gone(self) -> None:
        gone, self._sizes.gone = self._sizes.gone, []
        for key in gone:
            self._touched.pop(key, None)
            with contextlib.suppress(OSError):
                remove(self._path(key), missing_ok=True, durable=False)


class _Making:
    """Content on its way, and how many wait for it."""

    def __init__(self, task: "asyncio.Task[bytes]") -> None:
        self.task, self._waiting, self.given_up = task, 0, False

    async def wait(self) -> bytes:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.given_up = self.task.cancel()  # False where it is done
