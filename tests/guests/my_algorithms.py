"""A guest: an algorithm that fits the mean action of the demonstrations."""

from dataclasses import dataclass
from typing import ClassVar

from robo_rlhf.algorithms.base import RunAlgorithm


@dataclass(frozen=True)
class Settings:
    """Settings of the mean."""

    steps: int = 10
    """Steps."""
    rate: float = 0.5
    """Share of the error that a step removes."""


@dataclass(frozen=True, kw_only=True)
class Mean(RunAlgorithm):
    """Learn the mean action of some episodes, step by step.

    Example:
        robo-rlhf train my_algorithms:Mean --run mean
    """

    name: ClassVar = "mean"

    steps: int = 10
    """Steps."""
    rate: float = 0.5
    """Share of the error that a step removes."""

    def train(self, session):
        run = session.open(Settings(self.steps, self.rate), {"algorithm": self.name})
        if run.result() is None:
            rows = run.metrics()
            mean = rows[-1]["mean"] if rows else 0.0
            with session.progress("the mean", ["mean"]) as report:
                for done in range(len(rows) + 1, self.steps + 1):
                    mean += self.rate * (0.25 - mean)
                    run.log(done, {"mean": mean})
                    report(done, self.steps, {"mean": mean})
            run.finish({"mean": mean})
        return [{"run": self.run or self.name, **run.result()}]

    @classmethod
    def example(cls, home):
        return cls(home=home, run="mean")
