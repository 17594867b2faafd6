"""The trainings of a data home: queued, started, stopped, continued and deleted, within limits a person.

A training works in a process that outlives the station (`processes`); the next station finds it again by what is
written of it (`records`). At most one core less than the machine has is at work at a time, the others wait in a queue
in which the first to come is the first to start; a run that waits for answers holds no core.
"""

import asyncio
import logging
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError, NotNowError, RoboRlhfError
from robo_rlhf.core.files import move, remove_tree, require_disk_space, sqlite_file
from robo_rlhf.processes.detached import interrupt, kill, last_words, start_detached
from robo_rlhf.processes.heartbeat import FILE, worker_on
from robo_rlhf.processes.locks import pid_of, started, who_i_am
from teleop.station.monitor.runs import RunIndex, RunLine
from teleop.station.train.records import Records, Training

MOST_AT_ONCE = 4  # trainings of one person that are queued, at work or waiting for answers
MOST_BYTES = 20 * 2**30  # of all runs of one person
NEEDED = 256 * 2**20  # [bytes] that have to be free on the disk where a training starts
PATIENCE = 20.0  # [s] that a process has to stop in its own time
SOON, LATER = 0.5, 3.0  # [s] between two looks at the queue: where something is to do, and where nothing is
TRASH = ".trash/runs"  # in the data home
AT_WORK = ("starting", "working", "waiting", "stopping")
_log = logging.getLogger("robo_rlhf.station")


@dataclass(frozen=True)
class Job:
    """A run, and what was asked of it here; one of the two may be missing."""

    name: str
    state: str  # queued, starting, working, waiting, stopping, stopped, failed or finished
    why: str  # it failed
    person: str  # who asked for it; empty where a terminal did
    training: Training | None
    line: RunLine | None


class TrainingQueue:
    """The trainings of a data home; safe to use from several threads."""

    def __init__(self, home: Path, runs: RunIndex, database: str | Path) -> None:
        """Nothing is read yet."""
        self.home, self.runs = home, runs
        self.records = Records(home)
        self.slots = max((os.cpu_count() or 1) - 1, 1)
        own = sqlite_file(database) == (home / "feedback.db").absolute()
        self.database = None if own else database  # that commands are given
        self._lock = threading.RLock()
        self._watch: asyncio.Task[None] | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # of this station, so that the system can forget them

    async def begin(self) -> None:
        """Look after the queue from now on; what was queued when the last station ended goes on."""
        self._watch = asyncio.create_task(self._look_after())

    async def end(self) -> None:
        """Look after the queue no longer; trainings at work go on."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _look_after(self) -> None:
        while True:
            try:
                more = await asyncio.to_thread(self.advance)
            except (RoboRlhfError, OSError) as error:  # such as a disk that is full: it is tried again
                _log.warning("the queue of trainings: %s", error)
                more = False
            await asyncio.sleep(SOON if more else LATER)

    def jobs(self) -> list[Job]:
        """Return every run: those at work first, then those that are queued, then the others, the newest first."""
        lines, known = {line.name: line for line in self.runs.runs()}, self.records.all()
        names = dict.fromkeys((*(name for name in known if known[name].state == "queued"), *lines, *known))
        jobs = [self._job(name, known.get(name), lines.get(name)) for name in names]
        rank = {**dict.fromkeys(AT_WORK, 0), "queued": 1}
        return sorted(
            (job for job in jobs if job.line or job.state != "stopped"), key=lambda job: rank.get(job.state, 2)
        )

    def job(self, name: str) -> Job:
        """Return a run.

        Raises:
            NotFoundError: there is none.
        """
        found = next((job for job in self.jobs() if job.name == name), None)
        if found is None:
            raise NotFoundError("run", name, "It may have been deleted, or never have begun.")
        return found

    def start(self, person: str, task: str, options: Sequence[str]) -> Training:
        """Queue a new training under a name of its own, and start it where a core is free.

        Raises:
            NotNowError: the person has as many as they may have.
            InvalidValueError: their runs take as much of the disk as they may.
            DiskFullError: there is no room for a run.
        """
        with self._lock:
            self._check_limits(person)
            name = self._new_name(task)
            training = Training(name, person, (*options, "--run", name), "queued", time.time())
            self.records.put(training)
            self.advance()
            return training

    def resume(self, name: str, person: str) -> None:
        """Continue a training that was stopped or failed.

        Raises:
            NotFoundError: there is no such run.
            NotNowError: the person who asked for it has as many as they may have.
            ConflictError: it is at work or finished, or was started in a terminal.
            DiskFullError: there is no room for it.
        """
        with self._lock:
            job = self.job(name)
            if job.state in (*AT_WORK, "queued"):
                raise ConflictError(f"run {name!r}", f"it is {job.state} already")
            if job.state == "finished":
                raise ConflictError(f"run {name!r}", "it is finished")
            if job.training is None:
                why = "it was started in a terminal, where the same command continues it"
                raise ConflictError(f"run {name!r}", why)
            self._check_limits(job.training.person or person)
            self.records.put(replace(job.training, state="queued", asked=time.time(), pid=0, why=""))
            self.advance()

    def stop(self, name: str) -> None:
        """Stop a run, or take it out of the queue. What it has done stays.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it does not run, or on another machine.
        """
        with self._lock:
            job = self.job(name)
            if job.state == "queued" and job.training is not None:
                self._forget(job.training) if job.line is None else self._put(job.training, state="stopped")
                return
            foreign = pid_of(self.runs.home / name / FILE)
            if job.training is not None and job.training.alive:
                self._put(job.training, state="stopping", stopped=time.time())
                interrupt(job.training.pid)
            elif foreign is not None:
                interrupt(foreign)
            else:
                elsewhere = "it runs on another machine" if worker_on(self.runs.home / name) else "it does not run"
                raise ConflictError(f"run {name!r}", elsewhere)

    def delete(self, name: str) -> None:
        """Move a run into the trash.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: a process works on it.
        """
        with self._lock:
            job = self.job(name)
            if job.state in ("starting", "working", "stopping") or worker_on(self.runs.home / name):
                raise ConflictError(f"run {name!r}", "it is at work; stop it first")
            kept = job.training or Training(name, "", (), "stopped", time.time())
            if job.line is not None:
                target = self.home / TRASH / name
                if target.exists():
                    raise ConflictError(f"run {name!r}", "one of that name is in the trash")
                move(self.runs.home / name, target)
            self.records.put(replace(kept, state="deleted"))  # its name is not given again: answers refer to it
            self.runs.forget()

    def restore(self, name: str) -> None:
        """Take a run out of the trash.

        Raises:
            NotFoundError: it is not there.
            ConflictError: another run has its name.
        """
        with self._lock:
            kept, place = self.records.get(name), self.home / TRASH / name
            if kept is None or not place.is_dir():
                raise NotFoundError("run in the trash", name, "It may have been restored, or deleted for good.")
            if (self.runs.home / name).exists():
                raise ConflictError(f"run {name!r}", "another has its name now")
            move(place, self.runs.home / name)
            self._put(kept, state="stopped") if kept.options else self.records.remove(name)
            self.runs.forget()

    def purge(self, name: str) -> None:
        """Delete a run in the trash for good.

        Raises:
            NotFoundError: it is not there.
        """
        with self._lock:
            place = self.home / TRASH / name
            if self.records.get(name) is None or not place.is_dir():
                raise NotFoundError("run in the trash", name, "It may have been restored, or deleted for good.")
            remove_tree(place)

    def trash(self) -> list[Training]:
        """Return the runs in the trash."""
        deleted = [one for one in self.records.all().values() if one.state == "deleted"]
        return [one for one in deleted if (self.home / TRASH / one.run).is_dir()]

    def bytes_of(self, person: str) -> int:
        """Return how much of the disk the runs of a person take, without those in the trash."""
        mine = [one.run for one in self.records.all().values() if one.person == person and one.state != "deleted"]
        return sum(folder_bytes(self.runs.home / name) for name in mine)

    def advance(self) -> bool:
        """Start what is queued where cores are free, end what does not stop; return whether more is to do."""
        with self._lock:
            self._children = {name: child for name, child in self._children.items() if child.poll() is None}
            known = self.records.all()
            for one in known.values():
                if one.state == "stopping":
                    self._see_to_stop(one)
            queued = [one for one in known.values() if one.state == "queued"]
            if queued:
                self.runs.forget()
                busy = sum(job.state in ("starting", "working", "stopping") for job in self.jobs())
                for one in queued[: max(self.slots - busy, 0)]:
                    self._launch(one)
            return bool(queued) or any(one.state == "stopping" for one in known.values())

    def _see_to_stop(self, one: Training) -> None:
        if not one.alive:
            self._put(one, state="stopped")
        elif time.time() - one.stopped > PATIENCE:
            kill(one.pid)

    def _launch(self, one: Training) -> None:
        try:
            require_disk_space(self.home, NEEDED)
            command = ["run", *one.options, "--home", str(self.home)]
            child = start_detached(command, self.records.log(one.run), self.database)
        except RoboRlhfError as error:
            _log.warning("the training %s was not started: %s", one.run, error)
            self._put(one, state="stopped", why=str(error))
            return
        self._children[one.run] = child
        self._put(one, state="started", why="", pid=child.pid, started=started(child.pid), boot=who_i_am()["boot"])

    def _job(self, name: str, one: Training | None, line: RunLine | None) -> Job:
        state: str = line.state if line is not None else "stopped"
        why = line.why if line is not None else ""
        if one is None:
            return Job(name, state, why, "", None, line)
        at_work = state in ("working", "waiting")
        if one.state == "queued":
            state, why = "queued", ""
        elif one.alive:
            state = "stopping" if one.state == "stopping" else state if at_work else "starting"
        elif (one.state == "started" and line is None) or (state != "finished" and one.why):
            state, why = "failed", one.why or last_words(self.records.log(name)) or "Its process ended."
        elif at_work and not worker_on(self.runs.home / name):
            state = "stopped"  # its heartbeat is not old yet
        return Job(name, state, why, one.person, one, line)

    def _check_limits(self, person: str) -> None:
        mine = [job for job in self.jobs() if job.person == person]
        there = [job.name for job in mine if job.state in (*AT_WORK, "queued")]
        if len(there) >= MOST_AT_ONCE:
            why = f"{MOST_AT_ONCE} trainings of {person} are queued or at work, which is the most"
            raise NotNowError(why, f"Stop one of them, or wait until it is finished: {', '.join(there)}.")
        taken = self.bytes_of(person)
        if taken > MOST_BYTES:
            expected = f"at most {MOST_BYTES / 1e9:.0f} GB; delete runs that are of no use"
            raise InvalidValueError(f"disk space of the runs of {person}", f"{taken / 1e9:.1f} GB", expected)
        require_disk_space(self.home, NEEDED)

    def _new_name(self, task: str) -> str:
        """Return a name that no run ever had: answers in the database refer to runs by their names."""
        stem = task.replace("/", "-").replace(":", "-")
        taken = {path.name for folder in (self.runs.home, self.home / TRASH) for path in _inside(folder)}
        taken |= self.records.all().keys()
        number = 1
        while f"{stem}-{number}" in taken:
            number += 1
        return f"{stem}-{number}"

    def _put(self, one: Training, **changes: object) -> None:
        self.records.put(replace(one, **changes))  # type: ignore[arg-type]

    def _forget(self, one: Training) -> None:
        self.records.put(replace(one, state="deleted"))


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files in a folder hold."""
    total, waiting = 0, [folder]
    while waiting:
        for entry in _inside(waiting.pop()):
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue  # it is gone meanwhile
    return total


def _inside(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
