"""The folder layout of a dataset: paths, names that are safe as files, and the quarantine of damaged files.

<dataset>/dataset.json             {"format": 1, "task": "pick_place" or "mixed", "created": ...}
<dataset>/episodes/ID.parquet      closed episodes, see `schema`
<dataset>/journal/ID.arrows        episodes being recorded, or left by a crash, see `stream`
<dataset>/journal/ID.remark.json   the remarks on such an episode, see `remarks`
<dataset>/trash/ID.N.parquet       what was deleted, trimmed or replaced; the highest N is the newest
<dataset>/videos/DIGEST.SUFFIX     what cameras recorded, see `recorded_videos`
<dataset>/plan-TASK.json           what a run of the task will probably take, see `pipeline.prediction`
<dataset>/quarantine/              files that could not be read, each with NAME.reason.txt beside it
"""

import contextlib
import difflib
import os
import re
import secrets
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.core import files
from robo_rlhf.core.checks import (
    INSIDE_DATASETS,
    SAMPLES,
    is_dataset_name,
    is_well_formed,
)
from robo_rlhf.core.errors import (
    DiskFullError,
    FileWarning,
    InvalidValueError,
    NotFoundError,
)
from robo_rlhf.core.files import (
    move,
    remove,
    write_atomic,
)

MANIFEST = files.DATASET_FILE
EPISODE_SUFFIX, JOURNAL_SUFFIX, REASON_SUFFIX = ".parquet", ".arrows", ".reason.txt"
PARTIAL_AGE = 300.0  # [s] after which an unfinished file can only have been left by a crash
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,127}")


class DataWarning(FileWarning):
    """Something in a dataset was damaged; it was moved aside and the rest is used."""


class TrashedEpisode(NamedTuple):
    """An episode in the trash."""

    id: str
    versions: int  # that the trash holds of it
    size: int  # [bytes] of all of them
    since: str  # ISO 8601, UTC, when the newest came there


def new_id() -> str:
    """Return an id that sorts by time: UTC to the microsecond and four random digits."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def now() -> str:
    """Return the time as ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def trimmed_id(episode_id: str, start: int, stop: int) -> str:
    """Return the id of steps [start, stop) of an episode, which sorts right behind it; a new one if too long."""
    wanted = f"{episode_id}.{start}-{stop}"
    return wanted if _ID.fullmatch(wanted) else new_id()


def is_id(name: str) -> bool:
    """Whether an episode can have this id."""
    return _ID.fullmatch(name) is not None


def check_id(episode_id: str) -> str:
    """Return an episode id that is safe as the name of a file.

    Raises:
        InvalidValueError: it is not.
    """
    if not is_id(episode_id):
        expected = "1 to 128 letters, digits and . _ + = -, the first a letter or digit"
        raise InvalidValueError("episode id", repr(episode_id), expected)
    return episode_id


def episode_path(folder: Path, episode_id: str) -> Path:
    """Return the path of a closed episode."""
    return folder / f"episodes/{check_id(episode_id)}{EPISODE_SUFFIX}"


def journal_path(folder: Path, episode_id: str) -> Path:
    """Return the path of the journal of an open episode."""
    return folder / "journal" / f"{check_id(episode_id)}{JOURNAL_SUFFIX}"


def remark_path(folder: Path, episode_id: str) -> Path:
    """Return the path of the remarks on an open episode."""
    return folder / "journal" / f"{check_id(episode_id)}.remark.json"


def names(folder: Path, suffix: str) -> Iterator[os.DirEntry[str]]:
    """Iterate over the finished files of a folder with a suffix; none where the folder is missing."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.name.endswith(suffix) and not entry.name.startswith("."))


def trash_versions(folder: Path, episode_id: str) -> list[Path]:
    """Return the versions of an episode in the trash, oldest first."""
    prefix = f"{episode_id}."
    found = []
    for entry in names(folder / "trash", EPISODE_SUFFIX):
        number = entry.name.removeprefix(prefix).removesuffix(EPISODE_SUFFIX)
        if entry.name.startswith(prefix) and number.isdecimal():
            found.append((int(number), Path(entry.path)))
    return [path for _, path in sorted(found)]


def trashed(folder: Path) -> tuple[TrashedEpisode, ...]:
    """Return what is in the trash of a dataset, sorted by id."""
    found: dict[str, list[os.stat_result]] = {}
    for entry in names(folder / "trash", EPISODE_SUFFIX):
        episode_id = entry.name.removesuffix(EPISODE_SUFFIX).rpartition(".")[0]
        with contextlib.suppress(FileNotFoundError):  # undeleted meanwhile
            found.setdefault(episode_id, []).append(entry.stat())
    return tuple(
        TrashedEpisode(
            episode_id,
            len(files),
            sum(file.st_size for file in files),
            datetime.fromtimestamp(max(file.st_ctime for file in files), UTC).isoformat(timespec="seconds"),
        )
        for episode_id, files in sorted(found.items())
    )


def next_trash_path(folder: Path, episode_id: str) -> Path:
    """Return the path of the next version of an episode in the trash."""
    versions = trash_versions(folder, episode_id)
    number = int(versions[-1].name.split(".")[-2]) + 1 if versions else 1
    return folder / "trash" / f"{episode_id}.{number}{EPISODE_SUFFIX}"


def quarantine(folder: Path, path: Path, reason: str) -> str:
    """Move a damaged file aside with the reason beside it; return the sentence that says so.

    Where the dataset may not be changed the file stays, and the sentence says that instead.
    """
    target = folder / "quarantine" / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / "quarantine" / f"{path.stem}~{number}{path.suffix}"
    try:
        write_atomic(target.with_name(target.name + REASON_SUFFIX), f"{now()} {reason}\n".encode(), reserve=0)
        move(path, target)
    except (DiskFullError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        return f"{path}: {reason}; it is left out, but cannot be moved aside ({why})."
    return f"{path}: {reason}; moved to {target}."


def warn_all(sentences: Iterable[str]) -> None:
    """Warn of what was moved aside, after all of it was."""
    for sentence in sentences:
        warnings.warn(sentence, DataWarning, stacklevel=3)


def sweep_partials(folder: Path) -> None:
    """Remove unfinished files that a crash left behind."""
    for place in (folder, folder / "episodes", folder / "journal", folder / "trash"):
        for partial in place.glob(".*.partial"):
            with contextlib.suppress(OSError):
                if time.time() - partial.stat().st_mtime > PARTIAL_AGE:
                    remove(partial, durable=False)


def not_found(what: str, given: str, choices: Iterable[str], advice: str) -> NotFoundError:
    """Return the error for a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(given, list(choices), n=1, cutoff=0.5)
    return NotFoundError(what, given, f"Did you mean {near[0]!r}? {advice}" if near else advice)


def list_datasets(home: Path) -> tuple[str, ...]:
    """Return the names of the datasets in a data home, at any depth: reach, samples/reach, samples/Meta-World/MT1:x.

    Hidden folders are skipped, and so are folders that cannot be read.
    """
    found: list[str] = []
    waiting = [(home, "")]
    while waiting:
        folder, name = waiting.pop()
        own = INSIDE_DATASETS if (folder / MANIFEST).exists() else ()
        for entry in _folders(folder):
            inner = f"{name}/{entry.name}" if name else entry.name
            if entry.name in own or not is_dataset_name(inner) or _leads_back(entry, folder):
                continue
            if (Path(entry.path) / MANIFEST).exists():
                found.append(inner)
            waiting.append((Path(entry.path), inner))
    return tuple(sorted(found))


def datasets_of(home: Path) -> dict[str, Path]:
    """Return the folders of all datasets that a data home knows, by name: its own, and samples that ship with us.

    A sample of the same name in the data home takes precedence over the one that ships.
    """
    shipped = (name for name in list_datasets(files.SHIPPED) if name.startswith(f"{SAMPLES}/"))
    return {name: files.find_dataset(home, name) for name in sorted({*list_datasets(home), *shipped})}


def require_dataset(home: Path, name: str) -> Path:
    """Return the folder of a dataset that a data home knows.

    Raises:
        NotFoundError: there is none of that name, or can be none; the message lists those that there are.
    """
    folder = files.find_dataset(home, name) if is_well_formed(name) else None
    if folder is None or not (folder / MANIFEST).exists():
        known = datasets_of(home)
        raise not_found("dataset", name, known, f"There are: {', '.join(known) or '(no datasets)'}.")
    return folder


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    """Return the folders in a folder, including links to folders; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _leads_back(entry: os.DirEntry[str], folder: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    above = folder.resolve()
    return entry.is_symlink() and Path(entry.path).resolve() in (above, *above.parents)
