"""`robo-rlhf train`: one algorithm at a time, as a run that can be killed and continued."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.progress import progress_bar
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.errors import InvalidValueError, NotFoundError
from robo_rlhf.files import data_home, find_dataset

if TYPE_CHECKING:
    from robo_rlhf.policies.base import TrainedPolicy
    from robo_rlhf.types import Episode


def _bc_config() -> type[Any]:
    from robo_rlhf.training.bc import Config

    return Config


@COMMANDS.register("train bc")
@dataclass(frozen=True, kw_only=True)
class TrainBc:
    """Clone demonstrations into a policy. The same command goes on where a killed one stopped.

    Example:
        robo-rlhf train bc --task pick_place --demos 50 --run clone
    """

    task: str
    """Task whose demonstrations are imitated."""
    dataset: str = ""
    """Dataset of demonstrations in the data home; samples/TASK where empty."""
    run: str = "bc"
    """Name of the run, a folder among the runs of the data home."""
    demos: int = 0
    """How many demonstrations, the first by id; 0 takes all."""
    failures: bool = False
    """Imitate demonstrations that did not succeed too."""
    tag: str | None = None
    """Only demonstrations with this tag."""
    select_episodes: int = 50
    """Rollouts that judge each snapshot, where there are several candidates."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""
    config: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_bc_config)] = field(
        default_factory=lambda: _bc_config()()
    )
    """Settings of the algorithm."""

    def __call__(self) -> int:
        """Train, with a bar, and print what came of it."""
        use_one_thread()
        from robo_rlhf.runs import Run
        from robo_rlhf.training import bc

        episodes = self.episodes()
        path = data_home(self.home) / "runs" / self.run
        asked = {"algorithm": "bc", "task": self.task, "dataset": self.demonstrations, "select": self.select_episodes}
        run = Run(path, {**asked, "episodes": [e.meta.id for e in episodes], **asdict(self.config)})
        score = self.score() if self.config.candidates > 1 else None
        with progress_bar(f"cloning {len(episodes)} demonstrations", ("loss", "score")) as tell:
            bc.train(self.config, run, episodes, score=score, progress=tell)
        row = {"run": self.run, "policy": str(run.checkpoint_path("policy")), **(run.result() or {})}
        print_rows([row], as_json=self.json)
        return 0

    @property
    def demonstrations(self) -> str:
        """Name of the dataset of demonstrations."""
        return self.dataset or f"samples/{self.task}"

    def episodes(self) -> "list[Episode]":
        """Return the demonstrations asked for.

        Raises:
            NotFoundError: there are none.
            InvalidValueError: there are fewer than `demos`.
        """
        from robo_rlhf.data.dataset import Dataset

        dataset = Dataset(find_dataset(data_home(self.home), self.demonstrations))
        found = dataset.list(task=self.task, outcome=None if self.failures else "success", tag=self.tag)
        if not found:
            advice = f"Record some with `robo-rlhf record --task {self.task}`, or name another dataset."
            raise NotFoundError(f"demonstration in dataset {self.demonstrations} of task", self.task, advice)
        if len(found) < self.demos:
            raise InvalidValueError("demonstrations", str(len(found)), f"at least {self.demos} of {self.task}")
        return list(dataset.load_all(info.meta.id for info in found[: self.demos or None]))

    def score(self) -> "Callable[[TrainedPolicy], float]":
        """Return what judges a snapshot: its success in rollouts on seeds that no result is reported on."""
        import numpy as np

        from robo_rlhf.evaluation import SELECTION_SEED, evaluate
        from robo_rlhf.sim.envs import make_env

        env = make_env(self.task, min(self.select_episodes, 64))
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + self.select_episodes)
        return lambda policy: evaluate(env, policy, seeds).success.value
