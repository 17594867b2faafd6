"""Base classes of reward terms: functions of whole episodes that give each step a number."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array

Need = Literal["learned", "task", "success", "terms", "live"]
NO_TERMS: Mapping[str, Array] = {}


@dataclass(frozen=True)
class Steps:
    """One episode of every copy. Fields that no term needs are absent, so that no term can read them by accident."""

    obs: Array  # (T+1, N, obs_dim) float32
    action: Array  # (T, N, act_dim) float32, as applied
    active: Array  # (T, N) bool, False after an outside environment has ended
    control_dt: float  # [s]
    gamma: float = 1.0  # discount per step
    ends: bool = True  # whether the value after the last step is zero; else the episode continues unseen
    obs_names: tuple[str, ...] = ()  # one per column, where the environment names them
    learned: Array | None = None  # (T, N) the learned reward
    axes: Mapping[str, Array] = field(default_factory=lambda: NO_TERMS)  # axis → (T, N) the learned reward of its head
    task: Array | None = None  # (T, N) the environment's own reward
    success: Array | None = None  # (T, N) bool, after the step
    terms: Mapping[str, Array] = field(default_factory=lambda: NO_TERMS)  # name → (T, N) in [0, 1], of a native task
    live: Array | None = None  # (T, N) in [-1, 1], what viewers press about each step


class Term(ABC):
    """One term, constructed by keyword arguments that are written in the configuration."""

    name: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]] = ()  # the fields of `Steps` that must be there
    axis: str = ""  # of the learned reward, where one is needed

    @abstractmethod
    def __call__(self, steps: Steps) -> Array:
        """Return the reward of each step, (T, N)."""

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Return arguments for the contract, over observations of 6 columns; files that they name go into `folder`."""
        return {}


class Potential(Term):
    """Potential-based shaping: the gain of a potential per step, which leaves the optimal policy unchanged.

    F = gamma * potential(next) - potential(now), Ng, Harada and Russell 1999, "Policy invariance under reward
    transformations". Where an episode ends for good, the potential after it is 0.
    """

    @abstractmethod
    def potential(self, steps: Steps) -> Array:
        """Return the potential of every observation, (T+1, N)."""

    def __call__(self, steps: Steps) -> Array:
        """Return the gain of the potential in each step, (T, N); 0 in steps after the end."""
        phi = self.potential(steps)
        goes_on = np.vstack([steps.active[1:], np.full_like(steps.active[:1], not steps.ends) & steps.active[-1:]])
        gained: Array = np.where(steps.active, steps.gamma * phi[1:] * goes_on - phi[:-1], 0.0)
        return gained


def columns(which: object, steps: Steps, what: str) -> list[int]:
    """Return the columns of observations for numbers or names.

    Raises:
        InvalidValueError: no such column.
    """
    names, count = steps.obs_names, steps.obs.shape[-1]
    expected = f"columns from 0 to {count - 1}" + (f", or names among {', '.join(names)}" if names else "")
    found = []
    for one in which if isinstance(which, list | tuple) else [which]:
        place = names.index(one) if isinstance(one, str) and one in names else one
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < count:
            raise InvalidValueError(what, repr(one), expected)
        found.append(place)
    if not found:
        raise InvalidValueError(what, "none", expected)
    return found
