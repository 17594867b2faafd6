"""Pictures of recorded episodes for training, on disk and mapped into memory: drawn once, read as often as wanted.

A file holds the frames of one episode by one camera. Its name is a digest of all that they depend on: the states, the
compiled model, the camera, the size, the looks, the version of what draws. So a file is never stale: where one of them
changes, another file is drawn. Files get their names when they are complete; what is not used for longest goes first.
"""

import contextlib
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from cachetools import LRUCache

from robo_rlhf.core.files import remove, require_disk_space, write_atomic
from robo_rlhf.core.types import Array

DRAWING = 1  # of the way in which pictures are drawn; raised where it changes them
FRAMES = Path("cache") / "frames"  # the folder in a data home
LIMIT = 16 * 2**30  # [bytes]
OPEN_MAPS = 512  # each holds a file open, of which a process may have 1024
PARTIAL_AGE = 3600.0  # [s] after which what a killed process left is removed


@cache
def model_digest(scene: str) -> str:
    """Return a digest of the compiled model of `scene`, the name of a task or an outside environment."""
    from robo_rlhf.sim.physics.model_identity import compiled_hash
    from robo_rlhf.sim.rendering.renderer import load_model

    return compiled_hash(load_model(scene))


def frame_key(states: Array, about: Mapping[str, Any]) -> str:
    """Return the name of the pictures of `states` (T, ...), which depend on `about`, JSON values, besides."""
    known = {**about, "drawing": DRAWING, "mujoco": mujoco.__version__, "shape": states.shape}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(states).tobytes())
    return digest.hexdigest()[:40]


class FrameCache:
    """A folder of pictures by key, at most `limit` bytes of them beside those in use."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """Keep files in `folder`, which is made with the first of them."""
        self.folder, self.limit = folder, limit
        self._used: set[str] = set()
        self._maps: LRUCache[str, Array] = LRUCache(OPEN_MAPS)

    def holds(self, key: str) -> bool:
        """Whether the pictures of `key` are there, whole."""
        return self._read(key) is not None

    def reserve(self, needed: int) -> None:
        """Check that so many more bytes fit on the disk.

        Raises:
            DiskFullError: they do not; nothing was drawn yet.
        """
        require_disk_space(self.folder, needed)

    def put(self, key: str, pictures: Array) -> None:
        """Store pictures (T, H, W, 3) uint8.

        Raises:
            DiskFullError, DiskError: the disk does not take them.
        """
        content = io.BytesIO()
        np.save(content, pictures)
        write_atomic(self.path(key), content.getvalue())
        self._used.add(key)

    def get(self, key: str) -> Array:
        """Return the pictures (T, H, W, 3) uint8 of a key that is there, mapped into memory.

        Raises:
            FileNotFoundError: it is gone: the folder was emptied while it was in use.
        """
        found = self._maps.get(key)
        if found is None:
            found = self._read(key)
            if found is None:
                raise FileNotFoundError(self.path(key))
            self._maps[key] = found
        return found

    def use(self, keys: Iterable[str]) -> None:
        """Keep these from now on, whatever the limit, and note on the disk that they were used."""
        for key in keys:
            self._used.add(key)
            with contextlib.suppress(OSError):
                os.utime(self.path(key))

    def trim(self) -> int:
        """Remove the files used longest ago until the rest fits the limit; return how many were removed."""
        now, files, removed = time.time(), [], 0
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            with contextlib.suppress(OSError):  # another process removed it
                about = path.stat()
                if path.suffix == ".npy":
                    files.append((about.st_mtime, about.st_size, path))
                elif path.suffix == ".partial" and now - about.st_mtime > PARTIAL_AGE:
                    remove(path)
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.limit:
                break
            if path.stem not in self._used:
                with contextlib.suppress(OSError):
                    remove(path)
                total, removed = total - size, removed + 1
        return removed

    def path(self, key: str) -> Path:
        """Return where the pictures of a key lie."""
        return self.folder / f"{key}.npy"

    def _read(self, key: str) -> Array | None:
        try:
            found: Array = np.load(self.path(key), mmap_mode="r")
        except (OSError, ValueError, EOFError):  # there is none, or it is damaged: it is drawn again
            return None
        return found if found.dtype == np.uint8 and found.ndim == 4 else None


class TrainingPictures:
    """The pictures of all frames of the episodes that a network learns from, by camera."""

    def __init__(self, episodes: Sequence[Mapping[str, Callable[[], Array]]], lengths: Sequence[int]) -> None:
        """Take for each episode the function of each camera that returns its frames (T+1, H, W, 3); and T+1."""
        self._episodes, self._lengths = episodes, lengths
        self._starts = np.cumsum([0, *lengths])
        self.cameras = tuple(episodes[0]) if episodes else ()

    def __len__(self) -> int:
        """Return the number of frames."""
        return int(self._starts[-1])

    def and_then(self, others: "TrainingPictures") -> "TrainingPictures":
        """Return these frames, and after them those of `others`."""
        return TrainingPictures([*self._episodes, *others._episodes], [*self._lengths, *others._lengths])

    def take(self, frame: Array) -> dict[str, Array]:
        """Return the pictures (..., H, W, 3) uint8 of each camera of frames (...), counted through all episodes."""
        flat = frame.reshape(-1)
        episode = np.searchsorted(self._starts, flat, side="right") - 1
        step = flat - self._starts[episode]
        found = {}
        for camera in self.cameras:
            first = self._episodes[int(episode[0])][camera]()
            pictures = np.empty((len(flat), *first.shape[1:]), np.uint8)
            for i, (which, k) in enumerate(zip(episode.tolist(), step.tolist(), strict=True)):
                pictures[i] = self._episodes[which][camera]()[k]
            found[camera] = pictures.reshape(*frame.shape, *first.shape[1:])
        return found
