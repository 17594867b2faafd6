"""Files that survive a crash: the data home, atomic writes, room on the disk."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from robo_rlhf.errors import DiskFullError

HOME_VARIABLE = "ROBO_RLHF_HOME"
RESERVE = 64 * 2**20  # [bytes] always left free, so that what is open can still be closed
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk or a used-up quota


def data_home(home: Path | None = None) -> Path:
    """Return where recordings and runs live: `home`, else $ROBO_RLHF_HOME, else ./recordings."""
    return home or Path(os.environ.get(HOME_VARIABLE) or "recordings")


def require_room(folder: Path, needed: int, *, reserve: int | None = None) -> None:
    """Check that `needed` bytes fit on the disk of `folder`, which need not exist yet, with `reserve` (RESERVE) left.

    Raises:
        DiskFullError: they do not; nothing has been written yet.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    wanted = needed + (RESERVE if reserve is None else reserve)
    if free < wanted:
        raise DiskFullError(folder, wanted, free)


def write_atomic(path: Path, content: bytes, *, reserve: int | None = None) -> None:
    """Write a file so that after a crash either the old or the new content is there, whole.

    Args:
        path: the file.
        content: all of it.
        reserve: bytes to leave free on the disk; RESERVE where None, 0 for what the reserve is kept for.

    Raises:
        DiskFullError: there is no room; the old content is untouched.
    """
    require_room(path.parent, len(content), reserve=reserve)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            raise DiskFullError(path.parent, len(content), shutil.disk_usage(path.parent).free) from error
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically; keys keep their order."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
