"""`robo-rlhf samples`: record the demonstrations that ship with the project anew."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import data_home, publish_folder, remove_tree
from robo_rlhf.processes.locks import Lock
from robo_rlhf.sim.names import Tasks

if TYPE_CHECKING:
    from robo_rlhf.data.dataset import Dataset
    from teleop.session.unattended import RecordedSummary
    from teleop.worlds.native import NativeWorld

FIRST_SEED = 3_000_000
MOST, OTHERS = {"pick_place": 60}, 24  # successful demonstrations by task
LEVEL = 19  # of zstd: these files are written once and cloned often
MAX_ATTEMPTS = 4  # seeds that are tried for a demonstration before a task is given up


@COMMANDS.register("samples")
@dataclass(frozen=True, kw_only=True)
class Samples:
    """Record the sample demonstrations anew: the scripted operator, with human-like errors, drives.

    They go through the same session and journal as a person's, at the task's control rate. Those that fail are
    discarded, and the seeds that follow take their place. A task's old samples stay until the new ones are complete.

    Example:
        robo-rlhf samples --tasks pick_place reach
    """

    stopped: ClassVar = CONTINUES

    tasks: Tasks = ()
    """Tasks to record; all of them where empty."""
    episodes: int = 0
    """Successful demonstrations of each task; 0 for what ships: 60 of pick_place, 24 of the others."""
    sessions: int = 6
    """Sessions that run at once, each in a separate process; they mostly wait for the clock."""
    no_pace: bool = False
    """Do not wait for the clock: the same demonstrations, but for the times."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Record, with a bar a task, and print the results."""
        if self.episodes < 0 or self.sessions < 1:
            given = f"{self.episodes} episodes, {self.sessions} sessions"
            raise InvalidValueError("samples", given, "no less than 0 episodes and 1 session")
        from robo_rlhf.sim.task import unscripted
        from robo_rlhf.sim.tasks import TASKS

        tasks = self.tasks or tuple(name for name in TASKS if TASKS[name].is_scripted())
        for name in tasks:  # refused before anything is done
            if not TASKS[name].is_scripted():
                raise unscripted(name)
        rows = [self.record(name) for name in tasks]
        print_rows(rows, as_json=self.json)
        return 0 if all(row["kept"] == row["wanted"] for row in rows) else 1

    def record(self, task: str) -> dict[str, Any]:
        """Record one task's demonstrations in the place of the old ones; those stay where too many fail."""
        from robo_rlhf.data.dataset import Dataset

        wanted = self.episodes or MOST.get(task, OTHERS)
        home = data_home(self.home)
        scratch = home / f".samples-{task}"
        target = home / "samples" / task
        lock = Lock(scratch / "alive.json", f"The recording of {task}", "wait for it")
        lock.take()
        try:
            raw = Dataset(scratch / "raw", create=True, task=task)
            with progress_bar(f"recording {task}") as tell:
                done = self._run(task, raw, wanted, lambda kept: tell(kept, wanted, {}))
            kept = [recorded for recorded in done if recorded.outcome == "success"]
            if len(kept) == wanted:
                remove_tree(scratch / "new")
                _compress(raw, Dataset(scratch / "new", create=True, task=task), kept)
                publish_folder(scratch / "new", target)
        finally:
            lock.release(None)
        remove_tree(scratch)  # not where it was stopped: the same command continues with what is there
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) if target.exists() else 0
        return {
            "task": task,
            "wanted": wanted,
            "kept": len(kept),
            "discarded": len(done) - len(kept),
            "mean steps": round(sum(r.steps for r in done) / len(done), 1),
            "MB": round(size / 1e6, 2),
        }

    def _run(self, task: str, raw: "Dataset", wanted: int, tell: Callable[[int], None]) -> "list[RecordedSummary]":
        """Record seeds in order until `wanted` succeeded; which are recorded does not depend on timing."""
        from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
        from multiprocessing import get_context

        there, done = _recorded_before(raw, task), []
        kept, tried = 0, 0
        workers = min(self.sessions, wanted)
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        try:
            running: set[Future[RecordedSummary]] = set()
            while True:
                while kept + len(running) < wanted and tried < MAX_ATTEMPTS * wanted:
                    seed = FIRST_SEED + tried
                    tried += 1
                    if seed in there:
                        done.append(there[seed])
                        kept += there[seed].outcome == "success"
                    else:
                        running.add(pool.submit(record_one, task, raw.path, seed, not self.no_pace))
                if not running:
                    return done
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                done += [future.result() for future in finished]
                kept = sum(recorded.outcome == "success" for recorded in done)
                tell(kept)
        finally:
            pool.shutdown(cancel_futures=True)


def _recorded_before(raw: "Dataset", task: str) -> "dict[int, RecordedSummary]":
    """Return the recordings, by seed, from before the command was stopped; an incomplete one is dropped."""
    from teleop.session.unattended import RecordedSummary

    found = {}
    model = _world(task).model_hash
    for info in raw.list():
        meta = info.meta
        if meta.outcome == "aborted" or meta.model_hash != model:
            raw.delete(meta.id)
        else:
            found[meta.seed] = RecordedSummary(meta.id, meta.seed, meta.outcome, info.length)
    return found


def record_one(task: str, folder: Path, seed: int, pace: bool) -> "RecordedSummary":
    """Record the scripted demonstration of one seed into the dataset at `folder`; runs in a separate process."""
    from robo_rlhf.data.dataset import Dataset
    from teleop.devices import DEVICES
    from teleop.session.unattended import UnattendedSession

    env, dataset = _world(task), Dataset(folder)
    with (
        DEVICES["scripted"](env) as device,
        UnattendedSession(env, device, dataset, operator="scripted", tags=("sample",), pace=pace) as session,
    ):
        return session.record(seed)


@cache
def _world(task: str) -> "NativeWorld":
    """Return this process's environment, compiled once."""
    from robo_rlhf.sim.tasks import TASKS
    from teleop.worlds.native import NativeWorld

    return NativeWorld(TASKS[task](), 1, nthread=1)


def _compress(raw: "Dataset", new: "Dataset", kept: "list[RecordedSummary]") -> None:
    for recorded in kept:
        episode = raw.load(recorded.id)
        named = replace(episode.meta, id=f"{episode.meta.task}-{recorded.seed}")
        new.add(replace(episode, meta=named), raw.timing(recorded.id), level=LEVEL)
