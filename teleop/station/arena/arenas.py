"""The arenas of a data home: their standings, for judges under cover names, and the processes of the station.

Starting an arena, or continuing one, runs `robo-rlhf arena` in a separate process: the station imports neither
torch nor MuJoCo. Such a process ends with the station; its results stay, and the same command continues.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import BusyError, ConflictError, InvalidValueError, NotFoundError, RoboRlhfError
from robo_rlhf.core.files import DATABASE_VARIABLE, make_folder
from robo_rlhf.feedback.arena.arena import Arena, Judge, arenas, is_arena
from robo_rlhf.feedback.arena.standings import Standings, standings
from robo_rlhf.feedback.store import Store
from robo_rlhf.processes.detached import last_words
from robo_rlhf.processes.worker import HelperProcess, how_ended
from teleop.station.operate import launch_options

LAST_LINES = "cache/arenas"  # in the data home: the last output of processes
MOST_AT_ONCE = 2  # processes that the station starts
NICE = 10  # niceness of processes: live sessions and viewers come first


class ArenaProcess:
    """One process of `robo-rlhf arena`."""

    def __init__(self, arguments: Sequence[str], database: str | Path, log: Path) -> None:
        """Start it; its output goes into the file `log`."""
        self._log = log
        make_folder(log.parent)
        environment = {DATABASE_VARIABLE: str(database)}
        with log.open("wb") as file:
            self._process = HelperProcess(
                "robo_rlhf.cli.main:main", "run", "arena", *arguments, nice=NICE, environment=environment, output=file
            )

    @property
    def running(self) -> bool:
        """Whether it is running."""
        return self._process.code is None

    @property
    def failure(self) -> str:
        """Why it failed, in words; empty where it did not."""
        code = self._process.code
        if not code:
            return ""
        return last_words(self._log) or f"Its process ended ({how_ended(code)}). What was done stays; go on with it."

    def stop(self) -> None:
        """End it, and wait until it has."""
        self._process.end()


class Arenas:
    """The arenas of a data home; safe to use from several threads."""

    def __init__(self, home: Path, store: Callable[[], Store], database: str | Path) -> None:
        """Nothing is read yet."""
        self.home, self._store, self._database = home, store, database
        self._jobs: dict[str, ArenaProcess] = {}
        self._known: dict[str, tuple[object, Standings]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the processes that were started."""
        with self._lock:
            for job in self._jobs.values():
                if job.running:
                    job.stop()

    def start(self, name: str, task: str, policies: Sequence[str], seeds: int, judge: Judge, judges: int) -> None:
        """Start a new arena.

        Raises:
            ConflictError: a run of that name is there.
            InvalidValueError: fewer than two policies.
            NotFoundError: no such policy of that task.
            BusyError: too many are at work.
        """
        if is_arena(self.home, name) or (self.home / "runs" / name).exists():
            raise ConflictError(f"arena {name!r}", "a run of that name is there already")
        if len(set(policies)) < 2:
            raise InvalidValueError("policies of an arena", len(set(policies)), "at least 2 to compare")
        options = ["--task", task, "--judge", judge, "--judges", str(judges), "--seeds", str(seeds)]
        self._run(name, [*options, *self._checked(task, policies)])

    def go_on(self, name: str, policies: Sequence[str], seeds: int | None) -> None:
        """Continue an arena, with more policies or seeds where some are named.

        Raises:
            NotFoundError: no such arena, or no such policy of its task.
            BusyError: a program is at work on it, or too many are at work.
        """
        arena = Arena(self.home, name)
        if arena.working():
            raise BusyError(f"The arena {name}", "a program is at work on it")
        more = ["--seeds", str(seeds)] if seeds is not None and seeds > arena.config.seeds else []
        self._run(name, [*more, *self._checked(arena.config.task, policies)])

    def lines(self, person: str) -> list[dict[str, Any]]:
        """Return a line for each arena, newest first; those that are being made come first."""
        there = arenas(self.home)
        coming = [name for name in self._jobs if name not in there]
        return [self._coming(name) for name in reversed(coming)] + [self._line(name, person) for name in there]

    def _line(self, name: str, person: str) -> dict[str, Any]:
        try:
            return self.view(name, person)
        except RoboRlhfError as error:  # the others are shown
            return {"arena": name, "state": "failed", "failure": str(error)}

    def view(self, name: str, person: str, *, weighted: bool = False) -> dict[str, Any]:
        """Return the view of an arena for a person; what is being made has only a name and a state.

        Raises:
            NotFoundError: there is none.
        """
        if not is_arena(self.home, name) and name in self._jobs:
            return self._coming(name)
        arena = Arena(self.home, name)
        found = self._standings(arena, weighted)
        covered = arena.config.judge == "human" and not found.progress.done and person not in arena.spectators()
        return {
            **found.to_json(covered=covered),
            **self._state(arena, found),
            "entrants": sorted(entrant.name for entrant in arena.policies()),
            "looked": person in arena.spectators(),
        }

    def show_names(self, name: str, person: str) -> None:
        """Let a person see the names while others judge.

        Raises:
            NotFoundError: there is no such arena.
        """
        Arena(self.home, name).show_names_to(person)

    def _standings(self, arena: Arena, weighted: bool) -> Standings:
        """Compute the standings of an arena, unless nothing has changed."""
        mark = (self._store().mark(), arena.config, tuple(arena.policies()), tuple(arena.spectators().items()))
        key = f"{arena.name}/{weighted}"
        known = self._known.get(key)
        if known is not None and known[0] == mark and known[1].progress.asked:
            return known[1]
        found = standings(arena, self._store(), weighted=weighted)
        self._known[key] = (mark, found)
        return found

    def _state(self, arena: Arena, found: Standings) -> dict[str, Any]:
        number, seeds = len(arena.policies()), arena.config.seeds
        wanted = number * seeds
        folder = arena.path / "episodes" / "episodes"
        episodes = sum(1 for path in folder.glob("*.parquet")) if folder.exists() else 0
        complete = episodes >= wanted and found.progress.total >= seeds * number * (number - 1) // 2 and number > 1
        job = self._jobs.get(arena.name)
        failure = job.failure if job is not None else ""
        if (job is not None and job.running) or arena.working():
            state = "working"
        elif found.progress.done and complete:
            state = "finished"
        elif complete and arena.config.judge == "human":
            state = "judging"
        else:
            state = "failed" if failure else "stopped"
        return {"state": state, "failure": failure, "episodes": min(episodes, wanted), "episodes_wanted": wanted}

    def _coming(self, name: str) -> dict[str, Any]:
        job = self._jobs[name]
        return {"arena": name, "state": "starting" if job.running else "failed", "failure": job.failure}

    def _checked(self, task: str, policies: Sequence[str]) -> list[str]:
        """Return the options for policies, each a checkpoint within the data home."""
        there = {policy.path for policy in launch_options.policies(self.home) if policy.task == task}
        for path in policies:
            if path not in there:
                raise NotFoundError(f"policy of task {task}", path, "Choose one of those in the list.")
        return ["--policies", *policies] if policies else []

    def _run(self, name: str, options: Sequence[str]) -> None:
        with self._lock:
            running = [known for known, job in self._jobs.items() if job.running]
            if name in running or len(running) >= MOST_AT_ONCE:
                raise BusyError("The station", f"{' and '.join(running)} still run their policies")
            arguments = ["--name", name, "--home", str(self.home), *options]
            self._jobs[name] = ArenaProcess(arguments, self._database, self.home / LAST_LINES / f"{name}.log")
