"""`robo-rlhf train bc`: imitate demonstrations, as a run that can be killed and continued."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from robo_rlhf.cli import (
    COMMANDS,
    CONTINUES,
)
from robo_rlhf.cli.checking import check_world
from robo_rlhf.cli.imitating import DemonstrationOptions
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import (
    RunName,
)
from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.files import data_home, run_folder

if TYPE_CHECKING:
    from robo_rlhf.core.runs import Run
    from robo_rlhf.core.types import Episode
    from robo_rlhf.policies.base import TrainedPolicy


def _bc_config() -> type[Any]:
    from robo_rlhf.training_tools.settings import BCSettings

    return BCSettings


@COMMANDS.register("train bc")
@dataclass(frozen=True, kw_only=True)
class TrainBc(DemonstrationOptions):
    """Clone demonstrations into a policy. The same command continues where a killed one stopped.

    Example:
        robo-rlhf train bc --task pick_place --demos 50 --run clone
    """

    stopped: ClassVar = CONTINUES

    task: str
    """Task whose demonstrations are imitated; one without a simulator where --dataset holds recordings of it."""
    run: RunName = "bc"
    """Name of the run, a folder among the runs of the data home."""
    seeds: int = 1
    """Train so many seeds, the first of them --seed, and keep the one that does best in rollouts."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_bc_config)] = field(
        default_factory=lambda: _bc_config()()
    )
    """Settings of the algorithm."""

    def __call__(self) -> int:
        """Train, with a bar, and print the result."""
        if self.seeds < 1:
            raise InvalidValueError("--seeds", self.seeds, "at least 1")
        self.check()
        self.check_simulator()
        use_one_thread()
        from robo_rlhf.core.heartbeat import held, keep_heartbeat
        from robo_rlhf.core.runs import Run

        path = run_folder(data_home(self.home), self.run)
        with held(path):
            episodes = self.observed(self.episodes())
            several = {"seeds": self.seeds} if self.seeds > 1 else {}
            asked = {**self.run_config("bc"), **several, "episodes": [e.meta.id for e in episodes]}
            run = Run(path, self.config, asked)
            with keep_heartbeat(run):
                if self.seeds > 1:
                    self.train_seeds(run, episodes)
                else:
                    self.train(run, self.config.seed, episodes)
        result = run.result() or {}
        rows = [{"run": self.run, "policy": str(run.checkpoint_path("policy")), **result}]
        for row in rows[0].pop("seeds", []):
            name = f"{self.run}/seed-{row['seed']}"
            rows.append({"run": name, "policy": str(run.path / f"seed-{row['seed']}" / "checkpoints"), **row})
        print_rows(rows, as_json=self.json)
        return 0

    def check_simulator(self) -> None:
        """Refuse what needs a simulator, where there is none for the task.

        Raises:
            UnknownNameError: there is neither such a task nor a recording of it.
            InvalidValueError: rollouts are to choose between snapshots or seeds, or the policy is to be masked.
        """
        try:
            check_world("--task", self.task)
            return
        except UnknownNameError:
            if not self.is_recorded():
                raise
        for option, given in (
            ("--seeds", self.seeds if self.seeds > 1 else ""),
            ("--candidates or --select-every", "more than one snapshot" if self.config.selects else ""),
            ("--mask-delay", self.mask_delay if self.mask_delay is not None else ""),
        ):
            if given != "":
                expected = f"nothing that runs a policy: {self.task} was recorded elsewhere and has no simulator here"
                raise InvalidValueError(option, given, expected)

    def train(self, run: "Run", seed: int, episodes: "list[Episode]") -> "TrainedPolicy":
        """Train one seed, with a bar."""
        from robo_rlhf.training import bc

        score = self.score() if self.config.selects else None
        what = f"cloning {len(episodes)} demonstrations" + (f", seed {seed}" if self.seeds > 1 else "")
        with progress_bar(what, ("loss", "score")) as tell:
            config = replace(self.config, seed=seed)
            starts = None if run.result() else self.starts()
            return bc.train(
                config, run, episodes, score=score, progress=tell, starts=starts, meta=self.checkpoint_meta()
            )

    def train_seeds(self, run: "Run", episodes: "list[Episode]") -> None:
        """Train several seeds and keep the best."""
        from robo_rlhf.training_tools.best_of_seeds import train_seeds

        train_seeds(
            run, self.config.seed, self.seeds, lambda child, seed: self.train(child, seed, episodes), self.score()
        )
