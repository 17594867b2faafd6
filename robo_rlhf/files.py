"""Files that survive a crash: the data home, atomic writes, room on the disk."""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from robo_rlhf.checks import RUNS, SAMPLES, check_dataset, check_new_dataset, check_run
from robo_rlhf.errors import DiskFullError

HOME_VARIABLE = "ROBO_RLHF_HOME"
DATABASE_VARIABLE = "ROBO_RLHF_DATABASE"
RESERVE = 64 * 2**20  # [bytes] always left free, so that what is open can still be closed
SHIPPED = Path(__file__).resolve().parents[1] / "recordings"  # what comes with a checkout; a wheel has none
DATASET_FILE = "dataset.json"  # in the folder of every dataset
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk or a used-up quota


def data_home(home: Path | None = None) -> Path:
    """Return where recordings and runs live: `home`, else $ROBO_RLHF_HOME, else ./recordings."""
    return home or Path(os.environ.get(HOME_VARIABLE) or "recordings")


def feedback_database(home: Path, named: str = "") -> str | Path:
    """Return where feedback is: `named`, a file or a URL, else $ROBO_RLHF_DATABASE, else feedback.db in the home."""
    return named or os.environ.get(DATABASE_VARIABLE) or home / "feedback.db"


def find_dataset(home: Path, name: str) -> Path:
    """Return the folder of a dataset in a data home; samples that are not there are those that ship with a checkout.

    Raises:
        InvalidValueError: the name leads out of the data home, or can be no dataset's.
    """
    check_dataset("dataset", name)
    here, shipped = home / name, SHIPPED / name
    if name.startswith(f"{SAMPLES}/") and not (here / DATASET_FILE).exists() and (shipped / DATASET_FILE).exists():
        return shipped
    return here


def new_dataset(home: Path, name: str) -> Path:
    """Return the folder of a dataset of a data home that is recorded into, and made where it is missing.

    Raises:
        InvalidValueError: the name leads out of the data home, or no list would show it.
    """
    check_new_dataset("dataset to record into", name)
    return home / name


def run_folder(home: Path, name: str) -> Path:
    """Return the folder of a run in a data home.

    Raises:
        InvalidValueError: the name leads elsewhere, or can be no run's.
    """
    check_run("run", name)
    return home / RUNS / name


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
    write_atomic_many([(path, content)], reserve=reserve)


def write_atomic_many(files: Sequence[tuple[Path, bytes]], *, reserve: int | None = None) -> None:
    """Write several files, each as `write_atomic` does, and wait for the disk once instead of for each.

    Raises:
        DiskFullError: there is no room; every file is whole, some old and some new.
    """
    folders = sorted({path.parent for path, _ in files})
    for folder in folders:
        require_room(folder, sum(len(content) for path, content in files if path.parent == folder), reserve=reserve)
        folder.mkdir(parents=True, exist_ok=True)
    partials = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path, _ in files]
    try:
        for partial, (_, content) in zip(partials, files, strict=True):
            partial.write_bytes(content)
        _sync_all(partials)
        for partial, (path, _) in zip(partials, files, strict=True):
            os.replace(partial, path)
    except OSError as error:
        for partial in partials:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        if error.errno in NO_ROOM:
            needed = sum(len(content) for _, content in files)
            raise DiskFullError(folders[0], needed, shutil.disk_usage(folders[0]).free) from error
        raise
    for folder in folders:
        sync(folder)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically; keys keep their order."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _sync_all(paths: Sequence[Path]) -> None:
    """Sync files all at the same time: the disk then does many in one go."""
    if len(paths) == 1:
        sync(paths[0])
        return
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(sync, paths))


def sync(path: Path) -> None:
    """Make what a file holds, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
