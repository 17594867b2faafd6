"""Exports of a data home: one at a time, in a worker process, into its folder `exports`.

What was asked for is a file beside the result, so an export that was cut short goes on when the station is back.
"""

import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from robo_rlhf.core.errors import (
    ConflictError,
    CorruptFileError,
    NotFoundError,
    NotNowError,
    RoboRlhfError,
    WorkerDiedError,
)
from robo_rlhf.core.files import make_folder, read_json, remove, remove_tree, require_disk_space, write_json
from robo_rlhf.processes.worker import WorkerProcess
from teleop.station.exports.worker import ExportProgress, chosen

FOLDER, SUFFIX = "exports", ".request.json"  # in the data home; of what was asked for
PLACES = {"robomimic": "{}.hdf5", "minari": "{}-v0"}  # what the result of a format is called; else as the export
MOST = 4  # exports of one person that wait or are written
NEEDED = 256 * 2**20  # [bytes] that have to be free on the disk
POLL, LIMIT = 0.3, 120.0  # [s] between two looks at an export, and that the answer to one may take


@dataclass(frozen=True)
class ExportRequest:
    """What was asked for."""

    name: str
    person: str
    dataset: str
    ids: tuple[str, ...]
    form: str
    cameras: tuple[str, ...]
    size: int | None
    asked: float  # [s since 1970]
    error: str = ""  # why it failed

    @property
    def place(self) -> str:
        """The name of the result in the folder of exports."""
        return PLACES.get(self.form, "{}").format(self.name)


@dataclass(frozen=True)
class ExportJob:
    """An export: waiting, working, stopped, failed or done."""

    request: ExportRequest
    state: str
    progress: ExportProgress


class Exports:
    """The exports of a data home; safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        """Nothing is read yet."""
        self.home, self.folder = home, home / FOLDER
        self._lock = threading.RLock()
        self._thread = ThreadPoolExecutor(1, "exports")
        self._waiting: set[str] = set()
        self._stopped: set[str] = set()
        self._working: dict[str, ExportProgress] = {}
        self._closed = False

    async def begin(self) -> None:
        """Go on with what the last station did not finish."""
        for job in self.jobs():
            if job.state == "stopped":
                self._queue(job.request.name)

    def close(self) -> None:
        """Stop the work; the next station goes on with it."""
        self._closed = True
        self._thread.shutdown(cancel_futures=True)

    def start(
        self, person: str, dataset: str, ids: Sequence[str], form: str, cameras: Sequence[str], size: int | None
    ) -> ExportRequest:
        """Queue an export under a name of its own.

        Raises:
            InvalidValueError, MissingDependencyError: it cannot be written, see `exporting.check_export`.
            NotFoundError: there is no such dataset, or an episode of it has gone.
            NotNowError: the person has as many exports at work as they may have.
            DiskFullError: there is no room for it.
        """
        reader, infos = chosen(self.home, dataset, list(ids))
        missing = sorted(set(ids) - {info.meta.id for info in infos})
        if missing:
            raise NotFoundError("episode to export", missing[0], "It may have been deleted. Choose the episodes again.")
        with self._lock:
            mine = [job for job in self.jobs() if job.request.person == person and job.state in ("waiting", "working")]
            if len(mine) >= MOST:
                raise NotNowError(f"You have {MOST} exports at work.", "Wait for one, or stop it.")
            name = self._new_name(f"{re.sub(r'[^A-Za-z0-9_-]+', '-', dataset)}-{form}")
            asked = ExportRequest(name, person, dataset, tuple(ids), form, tuple(cameras), size, time.time())
            from robo_rlhf.formats.exporting import check_export  # here: it loads what decodes videos

            check_export(reader, infos, self.folder / asked.place, form, asked.cameras, size)
            require_disk_space(self.home, NEEDED)
            make_folder(self.folder)
            self._write(asked)
            self._queue(name)
        return asked

    def jobs(self) -> list[ExportJob]:
        """Return every export, the newest first."""
        with self._lock:
            found = [self._job(path) for path in self.folder.glob(f"*{SUFFIX}")]
        return sorted((job for job in found if job), key=lambda job: -job.request.asked)

    def job(self, name: str) -> ExportJob:
        """Return an export.

        Raises:
            NotFoundError: there is none of this name.
        """
        found = next((job for job in self.jobs() if job.request.name == name), None)
        if found is None:
            raise NotFoundError("export", name[:100], "It may have been deleted.")
        return found

    def result(self, name: str) -> Path:
        """Return the file or folder that an export made.

        Raises:
            NotFoundError: there is none of this name.
            ConflictError: it is not done.
        """
        job = self.job(name)
        if job.state != "done":
            raise ConflictError(f"export {name!r}", f"it is {job.state}")
        return self.folder / job.request.place

    def delete(self, name: str) -> None:
        """Stop an export and delete what it made.

        Raises:
            NotFoundError: there is none of this name.
        """
        job = self.job(name)
        self._stopped.add(name)
        while name in self._working:
            time.sleep(POLL / 3)
        place = self.folder / job.request.place
        with self._lock:
            remove(self.folder / f"{name}{SUFFIX}", missing_ok=True)
            remove_tree(place) if place.is_dir() else remove(place, missing_ok=True)
            remove_tree(place.with_name(f".{place.name}.partial"))
            self._waiting.discard(name)

    def _job(self, path: Path) -> ExportJob | None:
        try:
            stored = read_json(path, dict)
            request = ExportRequest(**{**stored, "ids": tuple(stored["ids"]), "cameras": tuple(stored["cameras"])})
        except (OSError, CorruptFileError, TypeError, KeyError):  # deleted a moment ago, or nothing of ours
            return None
        name, progress = request.name, self._working.get(request.name, ExportProgress())
        if name in self._working:
            state = "working"
        elif name in self._waiting:
            state = "waiting"
        elif (self.folder / request.place).exists():
            state = "done"
        else:
            state = "failed" if request.error else "stopped"
        return ExportJob(request, state, progress)

    def _new_name(self, stem: str) -> str:
        taken, number = {path.name for path in self.folder.glob(f"{stem}-*")}, 1
        while any(name.startswith((f"{stem}-{number}.", f"{stem}-{number}-")) for name in taken) or (
            f"{stem}-{number}" in taken
        ):
            number += 1
        return f"{stem}-{number}"

    def _write(self, request: ExportRequest) -> None:
        write_json(self.folder / f"{request.name}{SUFFIX}", asdict(request))

    def _queue(self, name: str) -> None:
        self._waiting.add(name)
        self._thread.submit(self._do, name)

    def _do(self, name: str) -> None:
        """Write an export, unless it was deleted; called in the thread."""
        try:
            request = self.job(name).request
            self._working[name] = ExportProgress()
            error = self._work(request)
        except (RoboRlhfError, OSError, RuntimeError) as failure:
            error = str(failure)
        finally:
            self._waiting.discard(name)
        with self._lock:
            if error and (self.folder / f"{name}{SUFFIX}").exists():
                self._write(replace(request, error=error))
            self._working.pop(name, None)

    def _work(self, request: ExportRequest) -> str:
        """Return why it failed; empty where it did not."""
        how = {"cameras": request.cameras, "size": request.size, "home": self.home, "form": request.form}
        asked = {**how, "place": self.folder / request.place, "dataset": request.dataset, "ids": list(request.ids)}
        with WorkerProcess("exporting episodes", "teleop.station.exports.worker:start", nice=10) as worker:
            try:
                found: ExportProgress = worker.ask(asked, LIMIT)
                while not found.over:
                    if self._closed or request.name in self._stopped:
                        return ""
                    self._working[request.name] = found
                    time.sleep(POLL)
                    found = worker.ask(None, LIMIT)
            except WorkerDiedError as error:
                return f"The process that wrote it {error.how}."
        return found.error
