"""Files that survive a crash: the data home, folders, atomic writes, renames, removals, free disk space.

Nothing else in the project makes, renames or removes a file or folder of the data home; a test checks this. A file
that is on the disk is still lost if the name of a folder above it is not: so a folder is made together with its name,
and those of the folders above it.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from robo_rlhf.core.checks import (
    RUNS,
    SAMPLES,
    check_dataset,
    check_new_dataset,
    check_run,
)
from robo_rlhf.core.errors import (
    CorruptFileError,
    DiskError,
    DiskFullError,
)
from robo_rlhf.core.seal import (
    blank_object,
    parse_json,
    seal_object,
    take_seal,
)

_SEALED_END = b"\n\n"  # of JSON that is sealed: damage that takes the seal away leaves the end
T = TypeVar("T", bound=dict[str, Any] | list[Any] | str)

HOME_VARIABLE = "ROBO_RLHF_HOME"
DATABASE_VARIABLE = "ROBO_RLHF_DATABASE"
RESERVE = 64 * 2**20  # [bytes] always left free, so that what is open can still be closed
SHIPPED = Path(__file__).resolve().parents[2] / "recordings"  # what comes with a checkout; a wheel has none
DATASET_FILE = "dataset.json"  # in the folder of every dataset
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)  # the system's errors for a full disk or a used-up quota
_durable: dict[Path, tuple[int, ...]] = {}  # folders whose names this process knows to be on the disk
_homes: dict[Path, int] = {}  # data homes that this process does not make again, held open
GONE = "it is gone, or another one is in its place"


def data_home(home: Path | None = None) -> Path:
    """Return where recordings and runs live: `home`, else $ROBO_RLHF_HOME, else ./recordings."""
    return home or Path(os.environ.get(HOME_VARIABLE) or "recordings")


def feedback_database(home: Path, named: str = "") -> str | Path:
    """Return where feedback is: `named`, a file or a URL, else $ROBO_RLHF_DATABASE, else feedback.db in the home."""
    return named or os.environ.get(DATABASE_VARIABLE) or home / "feedback.db"


def sqlite_file(database: str | Path) -> Path | None:
    """Return the file of an SQLite database, None where `database` is the URL of a server."""
    if isinstance(database, str) and "://" in database:
        scheme, _, rest = database.partition("://")
        return Path(rest.removeprefix("/")).absolute() if scheme.partition("+")[0] == "sqlite" else None
    return Path(database).absolute()


def find_dataset(home: Path, name: str) -> Path:
    """Return the folder of a dataset in a data home; samples that are not there are those that ship with a checkout.

    Raises:
        InvalidValueError: the name leads out of the data home, or can be no dataset's.
    """
    check_dataset("dataset", name)
    here = home / name
    if name.startswith(f"{SAMPLES}/") and not (here / DATASET_FILE).exists():
        shipped = SHIPPED / name
        return shipped if (shipped / DATASET_FILE).exists() else here
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


def require_disk_space(folder: Path, needed: int, *, reserve: int | None = None) -> None:
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
        DiskError: the disk accepts no data, or reports that it could not store it; every file is whole as above.
    """
    folders = sorted({path.parent for path, _ in files})
    for folder in folders:
        require_disk_space(
            folder, sum(len(content) for path, content in files if path.parent == folder), reserve=reserve
        )
        make_folder(folder)
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
        if error.errno in DISK_FULL_ERRNOS:
            needed = sum(len(content) for _, content in files)
            raise DiskFullError(folders[0], needed, shutil.disk_usage(folders[0]).free) from error
        raise DiskError(files[0][0], error) from error
    for folder in folders:
        sync(folder)


def copy_atomic(source: Path, target: Path) -> None:
    """Copy a file of any size, so that after a crash the copy is there whole, or is not.

    Raises:
        DiskFullError: there is no room; nothing changed.
        DiskError: the disk accepts no data; nothing changed.
        OSError: the source cannot be read.
    """
    require_disk_space(target.parent, source.stat().st_size)
    make_folder(target.parent)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(source, "rb") as content, open(partial, "wb") as copy:
            shutil.copyfileobj(content, copy, 2**20)
        sync(partial)
        os.replace(partial, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if error.errno in DISK_FULL_ERRNOS:
            raise DiskFullError(target.parent, source.stat().st_size, 0) from error
        raise DiskError(target, error) from error
    sync(target.parent)


def write_json(path: Path, value: dict[str, Any], *, reserve: int | None = None, indent: int | None = 2) -> None:
    """Write `value` as readable JSON as `write_atomic` does, sealed (see `seal`); keys keep their order."""
    write_atomic(path, sealed_json(value, indent), reserve=reserve)


def sealed_json(value: dict[str, Any], indent: int | None = None) -> bytes:
    """Return the content of a file of one JSON object, sealed."""
    return seal_object(json.dumps(blank_object(value), indent=indent, ensure_ascii=False).encode() + _SEALED_END)


def read_json(path: Path, kind: type[T], advice: str = "", *, entry: str = "") -> T:
    """Return what a file of JSON holds; a sealed object without its seal. One without may be of any origin.

    Args:
        path: the file.
        kind: what it holds: `dict`, `list` or `str`.
        advice: what to do where it is damaged; else a copy is asked for.
        entry: the one entry of an object that is returned in its place. Earlier versions wrote that alone, unsealed.

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
        value = parse_json(content)
        if isinstance(value, dict):
            take_seal(content, value, must=content.endswith(_SEALED_END))
            value = value.get(entry) if entry else value
        if not isinstance(value, kind):
            raise ValueError(f"it holds no {_KINDS[kind]}")
    except ValueError as error:
        raise CorruptFileError(path, str(error), advice) from error
    return value


def read_if_whole(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file that is only displayed, or made again; an empty one where it cannot be read."""
    try:
        return read_json(path, dict)
    except (OSError, CorruptFileError):
        return {}


_KINDS: dict[type, str] = {dict: "JSON object", list: "list", str: "text"}


def open_whole(path: Path, advice: str) -> BufferedReader:
    """Open a file to read. Anything else at that path is refused: reading a pipe could block forever.

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
    """Sync files all at the same time, so that the disk handles many at once."""
    if len(paths) < 2:
        for path in paths:
            sync(path)
        return
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(sync, paths))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that it survives a power cut.

    What another process has made a moment ago may not be on the disk yet. So the first time that a process needs a
    folder, all names above it are synced, up to the root of its file system; after that it costs one check.

    Raises:
        DiskFullError: there is no room for it.
        DiskError: it cannot be made, or it would be made in a home that is gone (see `hold_home`).
    """
    path = path.absolute()
    require_homes(path)
    if _is_durable(path):
        return
    above: list[Path] = []
    place = Path(os.path.realpath(path))
    while not _is_durable(place) and not os.path.ismount(place):
        above.append(place)
        place = place.parent
    for folder in reversed(above):
        _make_one(folder)
    _durable[path] = _identity(path)


def _make_one(folder: Path) -> None:
    """Make one folder where it is missing, and sync its name."""
    made = False
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
            made = True
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise DiskFullError(folder, 4096, 0) from error
        raise DiskError(folder, error) from error
    try:
        sync(folder.parent)
    except OSError as error:
        if made or error.errno == errno.EIO:
            raise  # else it is a folder far above, that this process may not read
    _durable[folder] = _identity(folder)


def hold_home(home: Path) -> None:
    """Make `home` now, and keep this process from making it again should it be gone later: its disk may be away.

    Raises:
        DiskFullError, DiskError: as `make_folder`.
    """
    home = home.absolute()
    release_home(home)
    make_folder(home)
    _homes[home] = os.open(home, os.O_RDONLY)  # held open, so that its number is not given to another folder


def release_home(home: Path) -> None:
    """Let this process make the folder again."""
    descriptor = _homes.pop(home.absolute(), None)
    if descriptor is not None:
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file or folder is the one that lies at `path`."""
    here = os.fstat(descriptor)
    return _identity(path) == (here.st_dev, here.st_ino)


def require_homes(path: Path) -> None:
    """Check that the home held by `hold_home` that `path` lies in, if it lies in one, is still there.

    Raises:
        DiskError: it is gone.
    """
    for home, descriptor in tuple(_homes.items()):
        if path.is_relative_to(home) and not is_at(descriptor, home):
            raise DiskError(home, OSError(errno.ENOENT, GONE))


def _is_durable(folder: Path) -> bool:
    found = _identity(folder)
    return bool(found) and found == _durable.get(folder)


def _identity(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino


def move(path: Path, target: Path) -> None:
    """Rename a file or folder durably, making the folder it goes to; a file there gives way.

    Raises:
        DiskFullError, DiskError: it was not moved, or the disk does not say that it keeps the new name.
    """
    make_folder(target.parent)
    try:
        os.replace(path, target)
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise DiskFullError(target.parent, 4096, 0) from error
        raise DiskError(path, error) from error
    for folder in dict.fromkeys((target.parent, path.parent)):
        sync(folder)


def remove(path: Path, *, missing_ok: bool = False, durable: bool = True) -> None:
    """Remove a file; `durable`: so that a power cut does not bring it back.

    Raises:
        FileNotFoundError: it is not there, and not `missing_ok`.
        DiskError: it could not be removed, or the disk does not say that it is.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        if missing_ok:
            return
        raise
    except OSError as error:
        raise DiskError(path, error) from error
    if durable:
        sync(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder that is there to be thrown away, with all that is in it; what cannot be removed stays."""
    shutil.rmtree(path, ignore_errors=True)


def publish_folder(made: Path, target: Path) -> None:
    """Give a folder that was filled aside its name, when all in it is on the disk; one of that name gives way, whole.

    Raises:
        DiskFullError, DiskError: as `move`.
    """
    for place, _, names in os.walk(made):
        _sync_all([Path(place, name) for name in names])
        sync(Path(place))
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        move(target, old)
    move(made, target)
    remove_tree(old)


def sync(path: Path) -> None:
    """Make what a file holds, or the names in a folder, survive a power cut.

    Raises:
        DiskError: the disk does not say that it keeps it.
        PermissionError, FileNotFoundError: it cannot be opened for that.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot sync folders
            raise DiskError(path, error) from error
    finally:
        os.close(descriptor)
