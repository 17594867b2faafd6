"""Plans made for the train page: `robo-rlhf plan` in a process of its own, one at a time for each dataset."""

import re
import subprocess
import threading
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import NotNowError
from robo_rlhf.pipeline.prediction.plan_file import plan_words, stored_plan
from robo_rlhf.processes.detached import last_words, start_detached
from robo_rlhf.sim.external.ids import is_outside

LOGS = "cache/plans"  # in the data home


class PlanMaker:
    """The plans of a data home; safe to use from several threads."""

    def __init__(self, home: Path, database: str | Path | None) -> None:
        """Nothing is made yet."""
        self.home, self._database = home, database
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], subprocess.Popen[bytes]] = {}

    def make(self, task: str, dataset: str, target: int) -> None:
        """Begin a plan.

        Raises:
            NotNowError: one is being made.
            WorkerDiedError, DiskError, DiskFullError: as `start_detached`.
        """
        with self._lock:
            if any(process.poll() is None for process in self._made.values()):
                raise NotNowError("A plan is being made", "It takes a minute: ask again then.")
            words = ["plan", "--env" if is_outside(task) else "--task", task, "--dataset", dataset]
            words += ["--target", str(target), "--home", str(self.home)]
            self._made[task, dataset] = start_detached(words, self._log(task, dataset), self._database)

    def view(self, task: str, dataset: str) -> dict[str, Any]:
        """Return whether a plan is being made, why the last one failed, and the newest plan in words."""
        with self._lock:
            process = self._made.get((task, dataset))
        code = process.poll() if process is not None else 0
        why = last_words(self._log(task, dataset)) or "Its process ended." if code else ""
        plan = stored_plan(self.home, task, dataset)
        return {"working": code is None, "why": why, "words": plan_words(plan) if plan else []}

    def _log(self, task: str, dataset: str) -> Path:
        return self.home / LOGS / f"{re.sub(r'[^A-Za-z0-9._+=@-]', '-', f'{dataset}-{task}')}.log"
