"""The learned reward, as a term."""

from typing import ClassVar

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("learned")
class Learned(Term):
    """The learned reward: the ensemble's mean minus the uncertainty penalty."""

    name = "learned"
    needs: ClassVar[tuple[Need, ...]] = ("learned",)

    def __call__(self, steps: Steps) -> Array:
        """Return the learned reward of each step, (T, N)."""
        assert steps.learned is not None
        return steps.learned
