"""Files that survive a crash: the data home, atomic writes, room on the disk."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from robo_rlhf.errors import DiskFullError

HOME_VARIABLE = "ROBO_RLHF_HOME"
RESERVE = 64 * 2**20  # [bytes] always left free, so that what is open can still be closed


def data_home(home: Path | None = None) -> Path:
    """Return where recordings and runs live: `home`, else $ROBO_RLHF_HOME, else ./recordings."""
    return home or Path(os.environ.get(HOME_VARIABLE) or "recordings")


def require_room(folder: Path, needed: int) -> None:
    """Check that `needed` bytes fit on the disk of `folder`, which need not exist yet, with a reserve left.

    Raises:
        DiskFullError: they do not; nothing has been written yet.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed + RESERVE:
        raise DiskFullError(folder, needed + RESERVE, free)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that after a crash either the old or the new content is there, whole.

    Raises:
        DiskFullError: there is no room; the old content is untouched.
    """
    require_room(path.parent, len(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write `value` as readable JSON, atomically; keys keep their order."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
