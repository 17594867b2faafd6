"""`robo-rlhf record`: drive a robot and keep what happened."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.errors import InvalidValueError
from robo_rlhf.files import data_home

if TYPE_CHECKING:
    from robo_rlhf.data.dataset import Dataset
    from robo_rlhf.sim.envs import TaskEnv
    from teleop.devices import Device
    from teleop.session import Recorded


@COMMANDS.register("record")
@dataclass(frozen=True, kw_only=True)
class Record:
    """Record episodes of a task from a device, at the pace of the robot.

    Each is kept as soon as it is over, whatever stops the command; one that Ctrl-C cuts short is kept as aborted. An
    episode ends when success has lasted for half a second, or after 1.6 times the task's horizon.

    Example:
        robo-rlhf record --task pick_place --device scripted --episodes 25
    """

    task: str
    """Task to record."""
    device: str = "scripted"
    """What the robot is driven with."""
    episodes: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 10
    """Episodes to record; with --only-successes, successful ones."""
    dataset: str = ""
    """Name of the dataset in the data home, made where it is missing; the task's name where empty."""
    operator: str = ""
    """Name of who drives, stored with each episode; the device's name where empty."""
    seed: int | None = None
    """Seed of the first episode, those of the next count up; else what follows the highest in the dataset."""
    only_successes: bool = False
    """Move episodes that fail to the dataset's trash."""
    no_pace: bool = False
    """Do not wait for the clock: for devices that need no person."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Record, with a bar, and print what was kept."""
        if self.episodes < 1 or (self.seed is not None and self.seed < 0):
            given = f"{self.episodes} episodes from seed {self.seed}"
            raise InvalidValueError("recording", given, "at least 1 episode, and a seed of at least 0")
        from robo_rlhf.data.dataset import MIXED, Dataset
        from robo_rlhf.sim.envs import TaskEnv
        from robo_rlhf.sim.tasks import TASKS
        from teleop.devices import DEVICES

        task, device = TASKS[self.task], DEVICES[self.device]  # an unknown name is refused before anything is made
        folder = data_home(self.home) / (self.dataset or self.task)
        dataset = Dataset(folder, create=True, task=MIXED if self.dataset else self.task)
        for episode_id in dataset.recovery.recovered:
            print(f"recovered {episode_id}, which a crash had cut short", file=sys.stderr)
        env = TaskEnv(task(), 1, nthread=1)
        done: list[Recorded] = []
        try:
            with device(env) as opened:
                self._record(env, opened, dataset, done)
        finally:  # also after Ctrl-C
            print_rows(self._rows(dataset, done), as_json=self.json)
        return 0

    def _record(self, env: "TaskEnv", device: "Device", dataset: "Dataset", done: "list[Recorded]") -> None:
        """Record until there are enough, and note in `done` what was."""
        from teleop.session import Session

        session = Session(
            env, device, dataset, operator=self.operator or self.device, pace=not self.no_pace, on_trouble=_say
        )
        seed = self._next_seed(dataset) if self.seed is None else self.seed
        enough = 0
        with progress_bar(f"{self.task} by {self.device}", ("successes",)) as tell:
            while enough < self.episodes:
                recorded = session.record(seed)
                done.append(recorded)
                seed += 1
                if self.only_successes and recorded.outcome == "failure":
                    dataset.delete(recorded.id)
                enough = sum(r.outcome == "success" or not self.only_successes for r in done)
                tell(enough, self.episodes, {"successes": sum(r.outcome == "success" for r in done)})

    def _next_seed(self, dataset: "Dataset") -> int:
        seeds = [info.meta.seed for info in dataset.list(task=self.task)]
        return max(seeds) + 1 if seeds else 0

    def _rows(self, dataset: "Dataset", done: "list[Recorded]") -> "list[dict[str, object]]":
        kept = [recorded for recorded in done if recorded.id in dataset]
        steps = sum(recorded.steps for recorded in kept)
        return [
            {
                "dataset": dataset.path.name,
                "recorded": len(done),
                "kept": len(kept),
                "successes": sum(recorded.outcome == "success" for recorded in kept),
                "mean steps": round(steps / max(len(kept), 1), 1),
                "in the dataset": len(dataset),
            }
        ]


def _say(trouble: Exception) -> None:
    print(f"waiting: {trouble}", file=sys.stderr)
