"""HDF5 files of strangers: opened, and arrays and texts taken out, without following links out of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, MissingDependencyError
from robo_rlhf.core.files import open_whole
from robo_rlhf.core.types import Array
from robo_rlhf.formats.base import broken

if TYPE_CHECKING:
    import h5py

HDF5_SUFFIXES = (".hdf5", ".h5")
LARGEST = 2**34  # [bytes] of one array: what claims to be larger is damaged
_ADVICE = "Write it again, or leave it out."


def h5py_for(purpose: str) -> Any:
    """Return the module h5py.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("h5py", purpose, "Run: pip install 'robo-rlhf[hdf5]'") from error
    return h5py


@contextmanager
def opened(path: Path, purpose: str) -> "Iterator[h5py.File]":
    """Open a file of HDF5 to read; it may hold no links to other files.

    Raises:
        MissingDependencyError: h5py is not installed.
        CorruptFileError: it is no such file, or something in it cannot be read.
    """
    h5py = h5py_for(purpose)
    with open_whole(path, _ADVICE):
        pass  # a pipe or a device is refused
    try:
        with h5py.File(path, "r") as file:
            _check_links(h5py, file, path)
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, UnicodeDecodeError) as error:
        if getattr(error, "filename", None):
            raise
        raise CorruptFileError(path, str(error).strip("'\"").splitlines()[0][:200], _ADVICE) from error


def array_of(group: "h5py.Group", name: str, path: Path, episode: object) -> Array:
    """Return a dataset of numbers.

    Raises:
        CorruptFileError: it is missing, lies in another file, is too large, or cannot be read.
    """
    item = group.get(name)
    if item is None or not hasattr(item, "size"):  # a group, or a type with a name
        raise broken(path, f"it has no array {name}", episode)
    if getattr(item, "external", None) or getattr(item, "is_virtual", False):
        raise broken(path, f"array {name} lies in another file", episode)
    if item.dtype.kind not in "fiub" or item.size * item.dtype.itemsize > LARGEST:
        raise broken(path, f"array {name} holds {item.dtype} of shape {item.shape}", episode)
    try:
        return np.asarray(item[()])
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        raise broken(path, f"array {name}: {str(error).splitlines()[0][:150]}", episode) from error


def text_of(value: Any) -> str:
    """Return an attribute of text, as str or bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_links(h5py: Any, file: "h5py.File", path: Path) -> None:
    waiting, seen = [file], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise broken(path, f"{group.name}/{name} is a link to another file, {link.filename}")
            if isinstance(link, h5py.HardLink) and isinstance(item := group[name], h5py.Group):
                if seen > 10_000_000 or item.name.count("/") > 16:
                    raise broken(path, "its groups lie within each other without end")
                waiting.append(item)
