"""`robo-rlhf train value`: a value function of success, as a potential for reward shaping."""

from dataclasses import dataclass
from pathlib import Path

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.checking import World
from robo_rlhf.cli.table import print_rows
from robo_rlhf.cli.threads import use_one_thread
from robo_rlhf.core.checks import DatasetName, Seed
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import data_home
from robo_rlhf.data.layout import require_dataset


@COMMANDS.register("train value")
@dataclass(frozen=True, kw_only=True)
class TrainValue:
    """Learn from episodes, failures too, how near success is: the potential of the reward term value(path=...).

    Example:
        robo-rlhf train value --task pick_place --out value.safetensors
    """

    task: World
    """Task of the episodes."""
    dataset: DatasetName = ""
    """Dataset in the data home; samples/TASK where empty."""
    out: Path = Path("value.safetensors")
    """Where the value function is written."""
    gamma: float = 0.99
    """Discount a step; the same as fine-tuning has."""
    updates: int = 1000
    """Gradient steps."""
    seed: Seed = 0
    """Seed of weights and batches."""
    home: Path | None = None
    """Where recordings and runs live; else $ROBO_RLHF_HOME, else ./recordings."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Learn, and print the result."""
        name = self.dataset or f"samples/{self.task}"
        folder = require_dataset(data_home(self.home), name)
        if self.updates < 1 or not 0 <= self.gamma <= 1:
            given = f"{self.updates} updates, gamma {self.gamma}"
            raise InvalidValueError("train value", given, "at least 1 update, and a gamma from 0 to 1")
        use_one_thread()
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.rewards.value import fit_value, save_value
        from robo_rlhf.sim.envs.current_observation import with_current_observations

        dataset = Dataset(folder)
        found = [info.meta.id for info in dataset.list(task=self.task)]
        if not found:
            advice = f"Record some with `robo-rlhf record --task {self.task}`, or name another dataset."
            raise NotFoundError(f"episode in dataset {name} of task", self.task, advice)
        episodes = list(with_current_observations(dataset.load_all(found)))
        model = fit_value(episodes, gamma=self.gamma, updates=self.updates, seed=self.seed)
        save_value(model, self.out, self.task)
        ends = [float(model.predict(episode.obs[[0, -1]])[i]) for episode in episodes for i in (0, 1)]
        row = {"value": str(self.out), "episodes": len(episodes)}
        row |= {"at the start": sum(ends[::2]) / len(episodes), "at the end": sum(ends[1::2]) / len(episodes)}
        print_rows([row], as_json=self.json)
        return 0
