"""The latest datasets and runs, read from folders alone: names, counts and times, never an episode.

A folder that has not changed is not read again, so ten thousand of them cost one `stat` each.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from robo_rlhf.core import files
from robo_rlhf.core.files import read_if_whole
from robo_rlhf.data.layout import EPISODE_SUFFIX, MANIFEST
from teleop.station.monitor.run_state import State, run_state

SETTLED = 2.0  # [s] after which a folder's time tells every change: file systems count it in steps
RUNS, CACHE = "runs", "cache"  # folders of a data home that hold no datasets
T = TypeVar("T")


class DatasetSummary(NamedTuple):
    """A dataset."""

    name: str  # in the data home
    task: str
    episodes: int
    newest: str  # id of an episode; empty where there is none
    changed: float  # [s since 1970]
    ships: bool  # with the program, not in the data home


class RunSummary(NamedTuple):
    """A run."""

    name: str
    task: str
    state: State
    stage: str  # at work, or where it stopped; empty where it is finished or unknown
    changed: float  # [s since 1970]
    before: float | None  # success of the cloned policy, share
    after: float | None  # of the fine-tuned one


class HomeSummary:
    """The datasets and runs of a data home; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Nothing is read yet."""
        self.home = home
        self._folders = _FolderCache(_inspect)
        self._episodes = _FolderCache(_count)
        self._lock = threading.Lock()

    def datasets(self, limit: int) -> tuple[list[DatasetSummary], int]:
        """Return the datasets that changed last, newest first and samples that ship last, and how many there are."""
        with self._lock:
            found = [(*self._episode_folder(folder), name, folder) for name, folder in self._dataset_folders()]
        found.sort(key=lambda item: (not self._ours(item[3]), -item[0] if self._ours(item[3]) else 0.0, item[2]))
        seen = [
            DatasetSummary(
                name, read_if_whole(folder / MANIFEST).get("task", ""), count, newest, changed, not self._ours(folder)
            )
            for changed, (count, newest), name, folder in found[:limit]
        ]
        return seen, len(found)

    def runs(self, limit: int) -> tuple[list[RunSummary], int]:
        """Return the runs that changed last, newest first, and how many there are."""
        found = []
        for entry in folders_in(self.home / RUNS):
            times = [mtime(os.path.join(entry.path, name)) for name in ("", "events.jsonl", "result.json")]
            found.append((max(times), entry.name))
        found.sort(key=lambda item: (-item[0], item[1]))
        return [_run(self.home / RUNS / name) for _, name in found[:limit]], len(found)

    def _dataset_folders(self) -> Iterator[tuple[str, Path]]:
        """Iterate over names and folders: those of the data home, then samples that ship and are not there."""
        names = set()
        for name in self._names(self.home):
            names.add(name)
            yield name, self.home / name
        for name in self._names(files.SHIPPED) if files.SHIPPED.exists() else ():
            if name not in names and name.startswith("samples/"):
                yield name, files.SHIPPED / name

    def _names(self, home: Path) -> Iterator[str]:
        for entry in folders_in(home):
            if entry.name in (RUNS, CACHE):
                continue
            is_dataset, inside = self._folders.of(entry.path)
            if is_dataset:
                yield entry.name
            for name in inside:
                if self._folders.of(os.path.join(entry.path, name))[0]:
                    yield f"{entry.name}/{name}"

    def _episode_folder(self, folder: Path) -> tuple[float, tuple[int, str]]:
        path = str(folder / "episodes")
        return max(mtime(path), mtime(str(folder / MANIFEST))), self._episodes.of(path)

    def _ours(self, folder: Path) -> bool:
        return folder.is_relative_to(self.home)


class _FolderCache(Generic[T]):
    """A function's cached value for a folder, computed again only when the folder has changed."""

    def __init__(self, look: Callable[[str], T]) -> None:
        self._look = look
        self._known: dict[str, tuple[float, T]] = {}

    def of(self, path: str) -> T:
        """Return the function's value for the folder."""
        changed = mtime(path)
        known = self._known.get(path)
        if known is not None and known[0] == changed:
            return known[1]
        value = self._look(path)
        if time.time() - changed > SETTLED:  # else it may change again without its time telling
            self._known[path] = (changed, value)
        else:
            self._known.pop(path, None)
        return value


def _inspect(path: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a folder is a dataset, and, where it is none, the folders in it."""
    if os.path.exists(os.path.join(path, MANIFEST)):
        return True, ()
    return False, tuple(entry.name for entry in folders_in(Path(path)))


def _count(path: str) -> tuple[int, str]:
    """Return how many episodes a folder holds, and the last by name: ids sort by time."""
    count, newest = 0, ""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(EPISODE_SUFFIX) and not entry.name.startswith("."):
                    count, newest = count + 1, max(newest, entry.name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    return count, newest.removesuffix(EPISODE_SUFFIX)


def folders_in(path: Path) -> list[os.DirEntry[str]]:
    """Return the folders in a folder, but for hidden ones; none where it cannot be looked into."""
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _run(folder: Path) -> RunSummary:
    config, result = read_if_whole(folder / "config.json"), read_if_whole(folder / "result.json")
    stage, stage_changed = stage_of(folder)
    changed = max(stage_changed, *(mtime(str(folder / name)) for name in ("", "events.jsonl", "result.json")))
    state = run_state(folder, config, finished=bool(result), stage=stage, changed=changed).state
    stage = "" if result else stage
    task = config.get("task")
    return RunSummary(
        folder.name,
        task if isinstance(task, str) else "",
        state,
        stage,
        changed,
        success_of(result, "before"),
        success_of(result, "after"),
    )


def stage_of(folder: Path) -> tuple[str, float]:
    """Return the unfinished stage that wrote last, and when; a stage is a folder with a config, up to two down."""
    inside = [Path(entry.path) for entry in folders_in(folder)]
    inside += [Path(entry.path) for parent in inside for entry in folders_in(parent)]
    newest = ("", 0.0)
    for path in inside:
        if (path / "config.json").exists() and not (path / "result.json").exists():
            changed = max(mtime(str(path / name)) for name in ("", "metrics.jsonl", "events.jsonl", "checkpoints"))
            newest = max(newest, (path.relative_to(folder).as_posix(), changed), key=lambda item: item[1])
    return newest


def success_of(result: dict[str, Any], when: str) -> float | None:
    """Return the success "before" or "after" in the result of a main job; None where it has none."""
    try:
        return float(result[when]["success"]["value"])
    except (KeyError, TypeError, ValueError):
        return None


def mtime(path: str) -> float:
    """Return when a file or folder changed [s since 1970]; 0 where it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
