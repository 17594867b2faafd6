"""What the station remembers of each training that it was asked for: who asked, with which options, and its process.

One small JSON file a run, in a hidden folder of the data home, so that a station that is started again knows what is
queued, and which processes of the one before are still at work.
"""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import make_folder, read_json, remove, write_json
from robo_rlhf.processes.locks import started, who_i_am

FOLDER = ".training"  # in the data home
State = Literal["queued", "started", "stopping", "stopped", "deleted"]


@dataclass(frozen=True)
class Training:
    """A training that was asked for on the train page."""

    run: str
    person: str
    options: tuple[str, ...]  # of `robo-rlhf run`, without --home
    state: State
    asked: float  # [s since 1970]
    pid: int = 0  # of its last process; 0: none yet
    started: str = ""  # when that process started, as `locks.started` writes it
    boot: str = ""  # the boot of the machine it was started in
    stopped: float = 0.0  # [s since 1970] when it was asked to stop
    why: str = ""  # it could not be started

    def option(self, name: str) -> str:
        """Return the value of an option; empty where it has none."""
        return dict(pairwise(self.options)).get(name, "")

    @property
    def task(self) -> str:
        """The task or the environment."""
        return self.option("--task") or self.option("--env")

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        same = self.boot == who_i_am()["boot"]
        return bool(self.pid) and same and started(self.pid) == self.started != ""


class Records:
    """The trainings of a data home, by run."""

    def __init__(self, home: Path) -> None:
        """Keep them in the data home."""
        self.folder = home / FOLDER

    def all(self) -> dict[str, Training]:
        """Return all of them, those that were asked for first at the front."""
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".json")]
        except FileNotFoundError:
            return {}
        found = (self.get(name.removesuffix(".json")) for name in names)
        return {one.run: one for one in sorted(filter(None, found), key=lambda one: (one.asked, one.run))}

    def get(self, run: str) -> Training | None:
        """Return what is known of a run; None where it was not asked for here, or the file is damaged."""
        with suppress(OSError, CorruptFileError, TypeError):
            known = {field.name for field in fields(Training)}
            row: dict[str, Any] = {
                key: value for key, value in read_json(self._file(run), dict).items() if key in known
            }
            return Training(**{**row, "run": run, "options": tuple(row["options"])})
        return None

    def put(self, training: Training) -> None:
        """Write one.

        Raises:
            DiskFullError, DiskError: it was not written.
        """
        make_folder(self.folder)
        write_json(self._file(training.run), asdict(training))

    def remove(self, run: str) -> None:
        """Forget a run."""
        remove(self._file(run), missing_ok=True)

    def log(self, run: str) -> Path:
        """Return the file that holds what the processes of a run printed."""
        return self.folder / f"{run}.log"

    def _file(self, run: str) -> Path:
        return self.folder / f"{run}.json"
