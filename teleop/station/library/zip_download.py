"""Several episodes as one ZIP file that is a data home: made while it is sent, so that it needs no disk space."""

import secrets
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cachetools import TTLCache

from robo_rlhf.core.errors import CorruptFileError, NotFoundError
from robo_rlhf.core.files import open_whole, read_whole
from robo_rlhf.data.layout import EPISODE_SUFFIX, MANIFEST
from robo_rlhf.data.recorded_videos import VIDEOS, video_files, video_path
from teleop.station.library.entry import EpisodeKey
from teleop.station.library.index import Index

PIECE = 2**20  # [bytes] of a video that are in memory at once
GOOD_FOR = 600.0  # [s] that the address of a ZIP file can be used
MOST_TICKETS = 200
MISSING = "MISSING.txt"  # in the ZIP: what was deleted before it could be packed


class Tickets:
    """The episodes and the user behind each address of a ZIP file."""

    def __init__(self) -> None:
        """There are none."""
        self._lock = threading.Lock()
        self._tickets: TTLCache[str, tuple[int, list[EpisodeKey]]] = TTLCache(MOST_TICKETS, GOOD_FOR, _clock)

    def issue(self, keys: Sequence[EpisodeKey], person: int) -> str:
        """Return a new ticket of a person."""
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._tickets[ticket] = (person, list(dict.fromkeys(keys)))
        return ticket

    def find(self, ticket: str, person: int) -> list[EpisodeKey] | None:
        """Return the episodes of this person's ticket; None where it is unknown or has expired."""
        with self._lock:
            owner, keys = self._tickets.get(ticket, (-1, []))
            return keys if owner == person else None


def _clock() -> float:
    return time.monotonic()


def file_name(keys: Sequence[EpisodeKey]) -> str:
    """Return the file's name: that of the dataset, where there is one only."""
    datasets = {key.dataset for key in keys}
    stem = datasets.pop().replace("/", "-") if len(datasets) == 1 else "episodes"
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in stem)
    return f"{safe}-{len(keys)}.zip"


def pack(index: Index, keys: Sequence[EpisodeKey]) -> Iterator[bytes]:
    """Yield the bytes of a ZIP file of episodes, each in the folder of its dataset, which can be opened as it is."""
    sink, packed = _Sink(), set[str]()
    missing: list[str] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # Parquet is compressed already
        for dataset in dict.fromkeys(key.dataset for key in keys):
            with suppress(NotFoundError, CorruptFileError, OSError):
                archive.writestr(f"{dataset}/{MANIFEST}", read_whole(index.folder(dataset) / MANIFEST, ""))
        for key in keys:
            try:
                content = read_whole(index.path(key), "")
            except (NotFoundError, CorruptFileError, OSError):
                missing.append(f"{key.dataset}/{key.episode}")
                continue
            archive.writestr(f"{key.dataset}/episodes/{key.episode}{EPISODE_SUFFIX}", content)
            yield sink.take()
            for file in sorted(video_files(index.get(key).meta)):
                name = f"{key.dataset}/{VIDEOS}/{file}"
                if name not in packed:
                    packed.add(name)
                    with (
                        suppress(OSError, CorruptFileError),
                        open_whole(video_path(index.folder(key.dataset), file), "") as video,
                        archive.open(name, "w", force_zip64=True) as entry,
                    ):
                        while piece := video.read(PIECE):
                            entry.write(piece)
                            yield sink.take()
        if missing:
            archive.writestr(MISSING, "Deleted before they could be packed:\n" + "\n".join(missing) + "\n")
    yield sink.take()


def pack_tree(folder: Path) -> Iterator[bytes]:
    """Yield the bytes of a ZIP file of a folder, of any size, in which the files lie in a folder of its name."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # what large files hold is compressed already
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            name = f"{folder.name}/{path.relative_to(folder)}"
            with open_whole(path, "") as file, archive.open(name, "w", force_zip64=True) as entry:
                while piece := file.read(PIECE):
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()


class _Sink:
    """A file that is written from front to end, and handed on piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, content: bytes) -> int:
        self._pieces.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """It ends with its reader."""

    def take(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content
