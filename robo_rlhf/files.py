"""Files that survive a crash: the data home, atomic writes, room on the disk."""

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

from robo_rlhf.errors import CorruptFileError, DiskFullError
from robo_rlhf.seal import blank_object, seal_object, take_seal

_SEALED_END = b"\n\n"  # of JSON that is sealed: damage that takes the seal away leaves the end
T = TypeVar("T", bound=dict[str, Any] | list[Any] | str)

HOME_VARIABLE = "ROBO_RLHF_HOME"
DATABASE_VARIABLE = "ROBO_RLHF_DATABASE"
RESERVE = 64 * 2**20  # [bytes] always left free, so that what is open can still be closed
SHIPPED = Path(__file__).resolve().parents[1] / "recordings"  # what comes with a checkout; a wheel has none
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk or a used-up quota


def data_home(home: Path | None = None) -> Path:
    """Return where recordings and runs live: `home`, else $ROBO_RLHF_HOME, else ./recordings."""
    return home or Path(os.environ.get(HOME_VARIABLE) or "recordings")


def feedback_database(home: Path, named: str = "") -> str | Path:
    """Return where feedback is: `named`, a file or a URL, else $ROBO_RLHF_DATABASE, else feedback.db in the home."""
    return named or os.environ.get(DATABASE_VARIABLE) or home / "feedback.db"


def find_dataset(home: Path, name: str) -> Path:
    """Return the folder of a dataset in a data home; samples that are not there are those that ship with a checkout."""
    shipped = SHIPPED / name
    if name.startswith("samples/") and not (home / name).exists() and shipped.exists():
        return shipped
    return home / name


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


def write_json(path: Path, value: Any, *, reserve: int | None = None) -> None:
    """Write `value` as readable JSON as `write_atomic` does; keys keep their order. An object is sealed, see `seal`."""
    shown = blank_object(value) if isinstance(value, dict) else value
    content = (json.dumps(shown, indent=2, ensure_ascii=False) + "\n").encode()
    if isinstance(value, dict):
        content = seal_object(content[:-1] + _SEALED_END)
    write_atomic(path, content, reserve=reserve)


def read_json(path: Path, kind: type[T], advice: str = "") -> T:
    """Return what a file of JSON holds; of an object that is sealed, without the seal. One without may be of any make.

    Args:
        path: the file.
        kind: what it holds: `dict`, `list` or `str`.
        advice: what to do where it is damaged; else a copy is asked for.

    Raises:
        CorruptFileError: it is no file, no JSON, nested too deeply, not of this kind, or not what was sealed.
        OSError: the system cannot read it, or there is none.
    """
    advice = (
        advice
        or "Put a copy of it in its place; if you changed it yourself, remove its seal, and the empty line at its end."
    )
    content = read_whole(path, advice)
    try:
        value = json.loads(content)
        if not isinstance(value, kind):
            raise ValueError(f"it holds no {_KINDS[kind]}")
        if isinstance(value, dict):
            take_seal(content, value, must=content.endswith(_SEALED_END))
    except RecursionError as error:
        raise CorruptFileError(path, "it is nested too deeply", advice) from error
    except ValueError as error:
        raise CorruptFileError(path, str(error), advice) from error
    return value


_KINDS: dict[type, str] = {dict: "JSON object", list: "list", str: "text"}


def open_whole(path: Path, advice: str) -> IO[bytes]:
    """Open a file to read. Anything else that lies there is refused: a pipe would be waited for without an end.

    Raises:
        CorruptFileError: it is a folder, a pipe, a socket or a device.
        OSError: the system cannot read it, or there is none.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a socket or a device"
        raise CorruptFileError(path, f"it is {what} and no file", advice)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def read_whole(path: Path, advice: str) -> bytes:
    """Return all bytes of a file; raises as `open_whole`."""
    with open_whole(path, advice) as file:
        return file.read()


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
