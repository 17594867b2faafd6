"""A potential from a pretrained value function, for example one trained on demonstrations."""

from functools import cached_property
from pathlib import Path
from typing import Any

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Potential, Steps
from robo_rlhf.rewards.value import ValueFunction, load_value, save_value


@TERMS.register("value")
class Value(Potential):
    """How near success is, in [0, 1], as `robo-rlhf train value` learned it."""

    name = "value"

    def __init__(self, path: str) -> None:
        """Read the value function from the file at `path`, when it is first used."""
        self.path = Path(path)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Write a value function with random weights, and name it."""
        with seeded(0):
            untrained = ValueFunction(6, width=16)
        save_value(untrained, folder / "value.safetensors", "trial")
        return {"path": str(folder / "value.safetensors")}

    @cached_property
    def function(self) -> ValueFunction:
        """The value function."""
        return load_value(self.path)

    def potential(self, steps: Steps) -> Array:
        """Return the value of every observation, (T+1, N)."""
        return self.function.predict(steps.obs)
