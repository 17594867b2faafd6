"""Lock files that name their holder: one process at a time works on a run, or serves a home.

A lock is a small JSON file that says on which host, in which process and since when; while it is held it is written
again every few seconds, which is its heartbeat. A holder on this host is checked by its process id: after `kill -9`
the lock is free at once. One on another host counts as gone when its heartbeat has been missing for a minute; the time
is that of the disk, so clocks that differ do no harm. Taking a lock replaces the file by an atomic rename.
"""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import BusyError, CorruptFileError, DiskError
from robo_rlhf.core.files import make_folder, read_if_whole, read_json, read_whole, remove, sealed_json

EVERY = 4.0  # [s] between beats
STALE = 60.0  # [s] without a beat after which a holder on another host is gone
HELD = "working"  # the state of a file whose lock is held
ADVICE = "Remove it."


class Lock:
    """A lock in a file, whose content other programs may read."""

    def __init__(self, file: Path, what: str, advice: str, **says: Any) -> None:
        """Nothing is taken yet.

        Args:
            file: where it lies; its folder is made with it.
            what: that it is the lock of, as a sentence may begin: "The run main".
            advice: what to do when it is held, for the error message.
            says: further content of the file.
        """
        self.file, self.what, self.advice, self.says = file, what, advice, says
        self._before: bytes | None = None  # what a holder before left in the file
        self._me = who_i_am()
        self._ended = threading.Event()
        self._lost: str = ""
        self._thread: threading.Thread | None = None

    def take(self) -> None:
        """Take it.

        Raises:
            BusyError: another process holds it; the message says which.
            DiskError: the file cannot be written.
            CorruptFileError: it is no file.
        """
        make_folder(self.file.parent)
        with self._guarded() as now:
            holder = _holder(self.file, now)
            if holder is not None:
                raise BusyError(self.what, f"{holder}; {self.advice}")
            with suppress(FileNotFoundError):
                self._before = read_whole(self.file, ADVICE)
            self._write({"state": HELD, **self.says})
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def release(self, content: Mapping[str, Any] | None) -> None:
        """Let it go, and leave `content` in the file; where None, what a holder before had left there.

        Raises:
            BusyError: another process has taken it meanwhile; the message says which.
        """
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._lost or not self._is_mine():
            raise BusyError(self.what, f"this process stood still for so long that {self._lost or 'it was taken'}")
        with suppress(OSError):  # the next process checks whether this one is alive
            if content is not None:
                self._write(content)
            elif self._before is not None:
                self._replace(self._before)
            else:
                remove(self.file, missing_ok=True, durable=False)

    def forget(self) -> None:
        """Remove what it left beside its file, as the folder goes too."""
        remove(self._guard, missing_ok=True, durable=False)

    @property
    def _guard(self) -> Path:
        return self.file.with_name(f".{self.file.name}.guard")

    def _beat(self) -> None:
        while not self._ended.wait(EVERY):
            if not self._is_mine():
                self._lost = _holder(self.file, time.time()) or "it was taken, or its folder removed"
                os.kill(os.getpid(), signal.SIGINT)  # the work of two processes in one place would be worth nothing
                return
            with suppress(OSError):
                self._write({"state": HELD, **self.says})

    def _is_mine(self) -> bool:
        """Whether this process still holds it, as far as the disk can be read."""
        try:
            found = read_json(self.file, dict)
        except FileNotFoundError:
            return False
        except (OSError, CorruptFileError):
            return True
        return {name: found.get(name) for name in self._me} == self._me

    def _write(self, content: Mapping[str, Any]) -> None:
        self._replace(sealed_json({**content, "time": time.time(), **self._me}))

    def _replace(self, content: bytes) -> None:
        """Replace the file. It need not survive a power cut: no process holds the lock then."""
        partial = self.file.with_name(f".{self.file.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(content)
            os.replace(partial, self.file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise DiskError(self.file, error) from error

    @contextmanager
    def _guarded(self) -> Iterator[float]:
        """Keep others from taking it at the same time; give the disk's time [s since 1970]."""
        try:
            guard = os.open(self._guard, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DiskError(self.file, error) from error
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            os.utime(guard)
            yield os.fstat(guard).st_mtime
        finally:
            os.close(guard)


def holder_of(file: Path) -> str | None:
    """Return in words which process holds the lock in a file; None where none does."""
    return _holder(file, time.time())


def pid_of(file: Path) -> int | None:
    """Return the process of this host that holds the lock in a file; None where none does, or one of another host."""
    found, me = read_if_whole(file), who_i_am()
    if holder_of(file) is None or (found.get("host"), found.get("boot")) != (me["host"], me["boot"]):
        return None
    return int(found["pid"])


def who_i_am() -> dict[str, Any]:
    """Return text that identifies this process among all others, on all hosts."""
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "started": started(os.getpid())}


def started(pid: int) -> str:
    """Return when a process of this host started, in words that are compared alone; empty where there is none."""
    if os.path.exists("/proc/self/stat"):
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if after_name[0] in "ZX" else after_name[19]  # a zombie does nothing more
    import subprocess  # only here, on systems without /proc

    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


@cache
def _boot() -> str:
    """Return text that identifies this boot of the host, and containers with their own process ids."""
    found = []
    with suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        found.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(found)


def _holder(file: Path, now: float) -> str | None:
    found = read_if_whole(file)
    if found.get("state") != HELD:
        return None
    try:
        age = max(now - file.stat().st_mtime, 0.0)
    except OSError:
        return None
    me = who_i_am()
    name = f"process {str(found.get('pid'))[:20]} on {str(found.get('host'))[:80]} holds it"
    if (found.get("host"), found.get("boot")) == (me["host"], me["boot"]):
        alive = isinstance(found.get("pid"), int) and started(found["pid"]) == found.get("started") != ""
        return name if alive else None
    return f"{name}, last heartbeat {age:.0f} s ago (after {STALE:.0f} s it counts as gone)" if age < STALE else None
