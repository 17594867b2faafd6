"""The index: a summary of every episode in the data home, in memory, re-read only where files changed.

Only footers are read. The first look at many episodes takes a while, so `refresh` does a part of it at a time, and what
was read is written into the data home for the next start.
"""

import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import CorruptFileError, DiskFullError, InvalidValueError, NotFoundError, VersionError
from robo_rlhf.core.files import read_if_whole, write_json
from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.data.layout import EPISODE_SUFFIX, datasets_of, episode_path, names, quarantine
from robo_rlhf.data.schema import meta_from_json, read_columns, read_header
from teleop.station.library.entry import (
    EpisodeEntry,
    EpisodeKey,
    Signature,
    facets_of,
    instant_of,
    row_of,
    signature_of,
    source_names,
    text_of,
)

BUDGET = 0.25  # [s] that one refresh may take
SPARE = 0.05  # [s] of it for files whose footers do not say who chose the steps, when all else is known
SETTLED = 2.0  # [s] after which a folder whose time of change is the same has surely not changed
SAVE_AFTER = 200  # footers read since the last save that make another worth it
SNAPSHOT, VERSION = "cache/library.json", 2


class IndexProgress(NamedTuple):
    """How far the index has come."""

    done: int
    total: int


class _Folder:
    """One dataset."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.entries: dict[str, EpisodeEntry] = {}
        self.waiting: list[tuple[str, Signature]] = []  # files whose footers are not read yet
        self.untold: list[str] = []  # episodes whose footers do not say who chose the steps
        self.changed = -1  # time of change of the folder of episodes [ns] when it was listed


class Index:
    """Every episode of a data home, and of the samples that ship with a checkout; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Know nothing yet."""
        self.home = home
        self.problems: list[str] = []  # a sentence for each damaged file that was moved aside
        self.number = 0  # counts up with every change
        self._folders: dict[str, _Folder] = {}
        self._lock = threading.RLock()
        self._remembered: dict[str, dict[str, Any]] | None = None  # of the last server, until it is used
        self._unsaved = 0
        self._all: tuple[int, list[EpisodeEntry]] = (-1, [])

    def refresh(self, budget: float = BUDGET) -> IndexProgress:
        """Read what changed, for at most `budget` seconds, and return the progress."""
        deadline = time.monotonic() + budget
        with self._lock:
            self._list_folders()
            for folder in self._folders.values():
                self._list_files(folder)
            for folder in self._folders.values():
                self._read_footers(folder, deadline)
            done = sum(len(folder.entries) for folder in self._folders.values())
            waiting = sum(len(folder.waiting) for folder in self._folders.values())
            if not waiting:
                self._read_sources(min(deadline, time.monotonic() + SPARE))
            if not waiting and self._unsaved >= SAVE_AFTER:
                self._save()
            return IndexProgress(done, done + waiting)

    def entries(self) -> list[EpisodeEntry]:
        """Return the known episodes, sorted by dataset and id; the list is not to be changed."""
        with self._lock:
            if self._all[0] != self.number:
                found = (e for folder in self._folders.values() for e in folder.entries.values())
                self._all = self.number, sorted(found, key=lambda entry: entry.key)
            return self._all[1]

    def datasets(self) -> dict[str, int]:
        """Return the number of known episodes by dataset, the empty ones too."""
        with self._lock:
            return {name: len(folder.entries) for name, folder in sorted(self._folders.items())}

    def folder(self, dataset: str) -> Path:
        """Return the folder of a dataset.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            if dataset not in self._folders:
                self._list_folders()
            if dataset not in self._folders:
                raise NotFoundError("dataset", dataset, "It may have been moved or renamed; look at the library again.")
            return self._folders[dataset].path

    def ships(self, dataset: str) -> bool:
        """Whether a dataset is a sample that ships with the program, and so stays as it is."""
        return self.folder(dataset) != self.home / dataset

    def path(self, key: EpisodeKey) -> Path:
        """Return the file of an episode, which need not be there.

        Raises:
            NotFoundError: there is no such dataset, or no episode can have such an id.
        """
        folder = self.folder(key.dataset)
        try:
            return episode_path(folder, key.episode)
        except InvalidValueError:
            raise gone(key) from None

    def trash_path(self, key: EpisodeKey, version: int) -> Path:
        """Return the file of a version of an episode in the trash, which need not be there; raises as `path`."""
        return self.path(key).parent.with_name("trash") / f"{key.episode}.{version}{EPISODE_SUFFIX}"

    def get(self, key: EpisodeKey) -> EpisodeEntry:
        """Return an episode as it is now.

        Raises:
            NotFoundError: it is not there, or not any more.
            CorruptFileError: its file was damaged, and is in the quarantine now.
        """
        path = self.path(key)
        with self._lock:
            folder = self._folders[key.dataset]
            try:
                signature = signature_of(path.stat())
                known = folder.entries.get(key.episode)
                if known is None or known.signature != signature:
                    known = self._put(folder, key.episode, signature, path)
            except FileNotFoundError:
                self._drop(folder, key.episode)
                raise gone(key) from None
            except CorruptFileError as error:
                self.set_aside(key, str(error))
                raise
            return known

    def set_aside(self, key: EpisodeKey, reason: str) -> None:
        """Move the damaged file of an episode to the quarantine."""
        with self._lock:
            folder = self._folders[key.dataset]
            self.problems.append(quarantine(folder.path, episode_path(folder.path, key.episode), reason))
            self._drop(folder, key.episode)

    def _list_folders(self) -> None:
        found = datasets_of(self.home)
        for name in self._folders.keys() - found.keys():
            del self._folders[name]
            self.number += 1
        for name in found.keys() - self._folders.keys():
            self._folders[name] = _Folder(name, found[name])
            self.number += 1

    def _list_files(self, folder: _Folder) -> None:
        """Find out which files are new, which changed and which are gone; not where the folder is as it was."""
        place = folder.path / "episodes"
        try:
            changed = place.stat().st_mtime_ns
        except OSError:
            changed = 0
        if changed == folder.changed:
            return
        listed = {entry.name.removesuffix(EPISODE_SUFFIX): entry for entry in names(place, EPISODE_SUFFIX)}
        folder.waiting = []
        for episode in folder.entries.keys() - listed.keys():
            self._drop(folder, episode)
        for episode, file in listed.items():
            with suppress(FileNotFoundError):
                signature = signature_of(file.stat())
                known = folder.entries.get(episode)
                if known is None or known.signature != signature:
                    folder.waiting.append((episode, signature))
        folder.waiting.sort()  # ids begin with the time, and the newest are taken from the end
        folder.changed = changed if time.time() - changed / 1e9 > SETTLED else -1

    def _read_footers(self, folder: _Folder, deadline: float) -> None:
        while folder.waiting and time.monotonic() < deadline:
            episode, signature = folder.waiting.pop()
            try:
                path = episode_path(folder.path, episode)
                self._put(folder, episode, signature, path)
            except CorruptFileError as error:
                self.set_aside(EpisodeKey(folder.name, episode), str(error))
            except (InvalidValueError, VersionError, OSError):
                continue  # no episode of ours: `robo-rlhf episodes verify` says what it is

    def _read_sources(self, deadline: float) -> None:
        """Find the source of the steps where footers of older files lack it."""
        for folder in self._folders.values():
            while folder.untold and time.monotonic() < deadline:
                episode = folder.untold.pop()
                entry = folder.entries.get(episode)
                if entry is None or entry.sources:
                    continue
                try:
                    columns, _ = read_columns(episode_path(folder.path, episode), ("source",))
                except (CorruptFileError, VersionError, OSError):
                    continue  # reported when a user opens it
                values, counts = np.unique(columns["source"], return_counts=True)
                sources = source_names(dict(zip(values.tolist(), counts.tolist(), strict=True)))
                facets = facets_of(entry.key, entry.meta, sources)
                folder.entries[episode] = replace(entry, sources=sources, facets=facets)
                self.number += 1
                self._unsaved += 1

    def _put(self, folder: _Folder, episode: str, signature: Signature, path: Path) -> EpisodeEntry:
        """Add a footer's summary, from the file or from the index that the last server stored."""
        remembered = self._recall(f"{folder.name}/{episode}", signature)
        if remembered is None:
            header = read_header(path)
            remembered = header.meta, header.steps, source_names(header.sources)
            self._unsaved += 1
        meta, steps, sources = remembered
        key = EpisodeKey(folder.name, episode)
        facets = facets_of(key, meta, sources)
        entry = EpisodeEntry(key, signature, meta, steps, sources, facets, instant_of(meta), text_of(key, meta))
        folder.entries[episode] = entry
        self.number += 1
        if steps and not sources:
            folder.untold.append(episode)
        return entry

    def _drop(self, folder: _Folder, episode: str) -> None:
        if folder.entries.pop(episode, None) is not None:
            self.number += 1

    def _recall(self, name: str, signature: Signature) -> tuple[EpisodeMeta, int, tuple[str, ...]] | None:
        """Return the summary of an episode out of the snapshot; None where that has none, or of another file."""
        row = self._memory().get(name)
        try:
            if row is None or tuple(row["signature"]) != signature:
                return None
            return meta_from_json(row["meta"]), int(row["steps"]), tuple(row["sources"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _memory(self) -> dict[str, dict[str, Any]]:
        if self._remembered is None:
            self._remembered = {}
            snapshot = read_if_whole(self.home / SNAPSHOT)
            rows = snapshot.get("episodes")
            if snapshot.get("version") == VERSION and isinstance(rows, dict):
                self._remembered = rows
        return self._remembered

    def _save(self) -> None:
        rows = {f"{entry.key.dataset}/{entry.key.episode}": row_of(entry) for entry in self.entries()}
        with suppress(DiskFullError, OSError):  # it is read again from the footers then
            write_json(self.home / SNAPSHOT, {"version": VERSION, "episodes": rows}, indent=None)
        self._unsaved, self._remembered = 0, {}


def gone(key: EpisodeKey) -> NotFoundError:
    """Return the error for an episode that is not there."""
    return NotFoundError(
        f"episode in {key.dataset}", key.episode, "Another user may have deleted it meanwhile; see the trash."
    )
