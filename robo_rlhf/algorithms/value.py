"""`robo-rlhf train value`: a value function of success, as a potential for reward shaping."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Algorithm, Row, Session
from robo_rlhf.algorithms.examples import TASK, recorded
from robo_rlhf.core.checks import DatasetName, Seed
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import data_home
from robo_rlhf.data.layout import require_dataset
from robo_rlhf.sim.external.ids import naming
from robo_rlhf.sim.names import World


@ALGORITHMS.register("value")
@dataclass(frozen=True, kw_only=True)
class Value(Algorithm):
    """Learn from episodes, failures too, how near success is: the potential of the reward term value(path=...).

    Example:
        robo-rlhf train value --task pick_place --out value.safetensors
    """

    name: ClassVar = "value"

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

    @property
    def source(self) -> str:
        """Name of the dataset."""
        return self.dataset or f"samples/{self.task}"

    def check(self) -> None:
        """Refuse a dataset that is not there, and numbers that make no sense.

        Raises:
            NotFoundError: there is no such dataset.
            InvalidValueError: a number outside its range.
        """
        require_dataset(data_home(self.home), self.source)
        if self.updates < 1 or not 0 <= self.gamma <= 1:
            given = f"{self.updates} updates, gamma {self.gamma}"
            raise InvalidValueError("train value", given, "at least 1 update, and a gamma from 0 to 1")

    def train(self, session: Session) -> list[Row]:
        """Fit the value function, and write it.

        Raises:
            NotFoundError: the dataset has no episode of the task.
        """
        from robo_rlhf.data.dataset import Dataset
        from robo_rlhf.rewards.value import fit_value, save_value

        found = Dataset(require_dataset(data_home(self.home), self.source)).list(task=self.task)
        if not found:
            advice = f"Record some with `robo-rlhf record {naming(self.task)}`, or name another dataset."
            raise NotFoundError(f"episode in dataset {self.source} of task", self.task, advice)
        episodes = self.episodes_of(self.source, [info.meta.id for info in found])
        with session.progress(f"value function of {self.task}", ("loss",)) as progress:
            model = fit_value(episodes, gamma=self.gamma, updates=self.updates, seed=self.seed, progress=progress)
        save_value(model, self.out, self.task)
        ends = [float(model.predict(episode.obs[[0, -1]])[i]) for episode in episodes for i in (0, 1)]
        row = {"value": str(self.out), "episodes": len(episodes)}
        row |= {"at the start": sum(ends[::2]) / len(episodes), "at the end": sum(ends[1::2]) / len(episodes)}
        return [row]

    @classmethod
    def example(cls, home: Path) -> "Value":
        """Fit the value function of three demonstrations."""
        recorded(home)
        return cls(task=TASK, home=home, out=home / "value.safetensors", updates=10)
