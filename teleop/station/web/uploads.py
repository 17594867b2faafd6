"""Files that people send in pieces: each kept on the disk until it is used, so that a lost connection costs a piece."""

import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from robo_rlhf.core.errors import BusyError, ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import make_folder, read_if_whole, remove, require_disk_space, write_json

PLACE = "cache/uploads"  # in the data home
MOST = 512 * 2**20  # [bytes] of a file
QUOTA, MOST_OPEN = 2**30, 4  # [bytes] and files of one person that are not used yet
KEPT = 86400.0  # [s] after the last piece
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Upload:
    """A file that is being sent."""

    id: str
    person: str
    bytes: int  # when it is complete
    received: int = 0


class Uploads:
    """The files that are being sent to a station. Safe to use from several threads at once."""

    def __init__(self, home: Path) -> None:
        """Keep them in the data home."""
        self._folder = home / PLACE
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def begin(self, person: str, size: int) -> Upload:
        """Begin a file of `size` bytes.

        Raises:
            InvalidValueError: it is too long, or the person has too much that was not used.
            DiskFullError: there is no room for it.
        """
        if not 1 <= size <= MOST:
            raise InvalidValueError("bytes of an upload", f"{size:,}", f"1 to {MOST:,}")
        with self._lock:
            self._sweep()
            mine = self.of(person)
            if len(mine) >= MOST_OPEN or sum(one.bytes for one in mine) + size > QUOTA:
                open_ones = f"{len(mine)} of {person} with {sum(one.bytes for one in mine):,} bytes, and {size:,} more"
                expected = f"at most {MOST_OPEN} with {QUOTA:,} bytes together; delete one"
                raise InvalidValueError("uploads that are not used yet", open_ones, expected)
            make_folder(self._folder)
            require_disk_space(self._folder, size)
            upload = Upload(secrets.token_hex(8), person, size)
            self._data(upload.id).touch()
            write_json(self._about(upload.id), {key: asdict(upload)[key] for key in ("id", "person", "bytes")})
        return upload

    def get(self, name: str, person: str) -> Upload:
        """Return an upload of a person.

        Raises:
            NotFoundError: the person has none with this name.
        """
        upload = self._read(name) if _ID.fullmatch(name) else None
        if upload is None or upload.person != person:
            raise NotFoundError("upload", name, f"It may have been used, or was left for {KEPT / 3600:.0f} hours.")
        return upload

    def of(self, person: str) -> list[Upload]:
        """Return all uploads of a person."""
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        return [one for one in map(self._read, names) if one is not None and one.person == person]

    async def append(self, upload: Upload, offset: int, parts: AsyncIterator[bytes]) -> Upload:
        """Add what comes next, and return how far it is; then that much is on the disk.

        Raises:
            ConflictError: `offset` is not where it ends now.
            InvalidValueError: it is more than was announced; what was announced is kept.
        """
        with self._alone(upload.id):
            upload = self.get(upload.id, upload.person)
            if offset != upload.received:
                raise ConflictError(f"upload {upload.id}", f"{upload.received:,} bytes are here; send what follows")
            left = upload.bytes - upload.received
            with self._data(upload.id).open("ab") as out:
                try:
                    async for part in parts:
                        await run_in_threadpool(out.write, part[:left])
                        left -= len(part)
                        if left < 0:
                            expected = f"{upload.bytes:,} bytes, as announced"
                            raise InvalidValueError(f"upload {upload.id}", "more", expected)
                finally:
                    await run_in_threadpool(_sync, out)
        return self.get(upload.id, upload.person)

    @contextmanager
    def whole(self, upload: Upload) -> Iterator[Path]:
        """Return the file, which is complete and stays as it is inside of the block.

        Raises:
            ConflictError: something is missing.
        """
        with self._alone(upload.id):
            upload = self.get(upload.id, upload.person)
            if upload.received < upload.bytes:
                missing = f"{upload.received:,} of {upload.bytes:,} bytes are here"
                raise ConflictError(f"upload {upload.id}", f"{missing}; send the rest first")
            yield self._data(upload.id)

    def remove(self, upload: Upload) -> None:
        """Forget a file."""
        with self._alone(upload.id):
            self._forget(upload.id)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self._lock:
            if name in self._busy:
                raise BusyError(f"upload {name}", "another request works on it")
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)

    def _read(self, name: str) -> Upload | None:
        try:
            about = read_if_whole(self._about(name))
            received = self._data(name).stat().st_size
            return Upload(str(about["id"]), str(about["person"]), int(about["bytes"]), received)
        except (OSError, ValueError, KeyError, TypeError):  # used meanwhile, or damaged: it is swept some day
            return None

    def _sweep(self) -> None:
        old = time.time() - KEPT
        for path in [*self._folder.glob("*.json"), *self._folder.glob("*.part")]:
            data = self._data(path.stem)
            newest = max((one.stat().st_mtime for one in (path, data) if one.exists()), default=0.0)
            if newest < old and path.stem not in self._busy:
                self._forget(path.stem)

    def _forget(self, name: str) -> None:
        remove(self._about(name), missing_ok=True)
        remove(self._data(name), missing_ok=True)

    def _about(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _data(self, name: str) -> Path:
        return self._folder / f"{name}.part"


def _sync(out: object) -> None:
    out.flush()  # type: ignore[attr-defined]
    os.fsync(out.fileno())  # type: ignore[attr-defined]
