"""A folder at a URL, such as s3://bucket/lab/kitchen, /mnt/lab/kitchen or file:///mnt/lab/kitchen, by fsspec.

Credentials come from the environment or the provider's own files; a URL that holds any is refused. What the other side
says is an error in one sentence.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import fsspec
from fsspec.core import split_protocol, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError, RemoteError, RoboRlhfError
from robo_rlhf.core.files import copy_atomic, make_folder, open_whole, write_atomic
from robo_rlhf.core.seal import parse_json

LIBRARIES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
CHECKSUMS = ".checksums"  # in the folder: lists of what is there, see `RemotePlace.listed`
FORMAT = 1  # of such a list
LARGEST_LIST = 64 * 2**20  # [bytes]
_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9._=+@ -]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class RemoteFile(NamedTuple):
    """A file at a place."""

    sha256: str
    size: int  # [bytes]


def check_remote(what: str, given: object) -> None:
    """Refuse an invalid URL of a place.

    Raises:
        InvalidValueError: an unknown kind of URL, or one that holds a password or a key.
    """
    text = str(given)
    protocol = split_protocol(text)[0] or "file"
    try:
        parts = urlsplit(text)
        secret = "@" in parts.netloc or bool(parts.query)
    except ValueError:
        parts, secret = None, False
    if secret:
        expected = "one without a user, a password or a key: these come from the environment or the provider's files"
        raise InvalidValueError(what, repr(text.partition(":")[0] + "://..."), expected)
    if parts is None or not text.isprintable() or protocol not in fsspec.available_protocols():
        expected = "a folder, or a URL such as s3://bucket/folder, gs://bucket/folder or file:///mnt/folder"
        raise InvalidValueError(what, repr(text[:80]), expected)
    if protocol in ("http", "https"):
        raise InvalidValueError(what, repr(text[:80]), "a place that files can be written to and listed in")


class RemotePlace:
    """A folder at a URL."""

    def __init__(self, url: str) -> None:
        """Open it; nothing is read yet.

        Raises:
            InvalidValueError: as `check_remote`.
            MissingDependencyError: the library for this kind of URL is not installed.
            RemoteError: there is no such service.
        """
        check_remote("URL", url)
        _check_library(split_protocol(url)[0] or "file")
        self.url = url
        with self.errors():
            self.fs, self.path = url_to_fs(url, use_listings_cache=False) if "://" in url else url_to_fs(url)
        self.path = self.path.rstrip("/")
        self.on_disk = isinstance(self.fs, LocalFileSystem)  # a folder: what is sent survives a power cut

    @contextmanager
    def errors(self, what: str = "") -> Iterator[None]:
        """Turn what the other side raises, of whatever kind, into one sentence.

        Raises:
            RemoteError: it did.
        """
        try:
            yield
        except RoboRlhfError:
            raise  # such as a full disk
        except FileNotFoundError as error:
            raise RemoteError(self.url, what, "it is not there") from error
        except PermissionError as error:
            raise RemoteError(self.url, what, "it does not let this account do that") from error
        except Exception as error:  # each provider has a family of its own
            raise RemoteError(self.url, what, f"{error}" or type(error).__name__) from error

    def listed(self) -> dict[str, RemoteFile]:
        """Return the files that are there whole, by their path in the folder, as the lists of those who sent them say.

        A file without an entry may be half sent. Lists are read in the order in which they were written: of a file
        that was sent twice the newest counts.

        Raises:
            RemoteError: they cannot be read, or one is damaged.
        """
        found: dict[str, RemoteFile] = {}
        with self.errors("its list of files"):
            names = sorted(self.fs.ls(f"{self.path}/{CHECKSUMS}", detail=False)) if self._has_lists() else []
        for name in names:
            if not name.endswith(".json"):
                continue
            with self.errors("its list of files"):
                content = self.fs.cat_file(name, start=0, end=LARGEST_LIST)
            found |= self._read(name, content)
        return found

    def _has_lists(self) -> bool:
        return bool(self.fs.exists(f"{self.path}/{CHECKSUMS}"))

    def _read(self, name: str, content: bytes) -> dict[str, RemoteFile]:
        try:
            made: Any = parse_json(content)
            files = {str(path): RemoteFile(str(one["sha256"]), int(one["size"])) for path, one in made["files"].items()}
            fits = made["format"] == FORMAT and all(_DIGEST.fullmatch(one.sha256) for one in files.values())
        except (ValueError, LookupError, TypeError, AttributeError):
            fits, files = False, {}
        if not fits or not all(map(is_safe, files)):
            short = name.rpartition("/")[2]
            raise RemoteError(self.url, f"its list {short}", f"it is damaged, or not of format {FORMAT}; remove it")
        return files

    def send(self, local: Path, name: str) -> RemoteFile:
        """Send a file; it counts once `note` has listed it.

        Raises:
            RemoteError: it did not arrive whole.
        """
        digest, size = digest_of(local), local.stat().st_size
        target = f"{self.path}/{name}"
        with self.errors(name):
            if self.on_disk:
                make_folder(Path(target).parent)
                copy_atomic(local, Path(target))
            else:
                self.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                self.fs.put_file(str(local), target)
            arrived = self.fs.info(target)["size"]
        if arrived != size:
            raise RemoteError(self.url, name, f"{arrived} of {size} bytes arrived")
        return RemoteFile(digest, size)

    def note(self, files: Mapping[str, RemoteFile]) -> None:
        """List files that have arrived whole, in a file of its own: several may send at the same time.

        Raises:
            RemoteError: it cannot be written.
        """
        if not files:
            return
        rows = {name: one._asdict() for name, one in files.items()}
        content = json.dumps({"format": FORMAT, "files": rows}).encode()
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}.json"
        with self.errors("its list of files"):
            if self.on_disk:
                write_atomic(Path(self.path, CHECKSUMS, name), content)
                return
            self.fs.makedirs(f"{self.path}/{CHECKSUMS}", exist_ok=True)
            self.fs.pipe_file(f"{self.path}/{CHECKSUMS}/{name}", content)

    def fetch(self, name: str, expected: RemoteFile, partial: Path) -> None:
        """Fetch a file to `partial`.

        Raises:
            RemoteError: it cannot be fetched, or is not what was sent.
        """
        with self.errors(name):
            self.fs.get_file(f"{self.path}/{name}", str(partial))
        if digest_of(partial) != expected.sha256:
            raise RemoteError(self.url, name, "its content is not what was sent: it is damaged; send it again")


def is_safe(name: str) -> bool:
    """Whether a path in a list stays in its folder, and hides nothing."""
    parts = name.split("/")
    return len(parts) <= 12 and all(_NAME.fullmatch(part) and not part.endswith(" ") for part in parts)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with open_whole(path, "Move it aside.") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_library(protocol: str) -> None:
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        name = LIBRARIES.get(protocol, protocol)
        raise MissingDependencyError(f"The library {name}", f"a URL of {protocol}", f"pip install {name}") from error
