"""The learned reward, or that of one of its named axes, as a term."""

from typing import ClassVar

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("learned")
class Learned(Term):
    """The learned reward: the ensemble's mean minus the uncertainty penalty."""

    name = "learned"
    needs: ClassVar[tuple[Need, ...]] = ("learned",)

    def __init__(self, axis: str = "") -> None:
        """Take the reward of one axis, see `feedback.axes`; of all where it is empty."""
        self.axis = axis

    def __call__(self, steps: Steps) -> Array:
        """Return the learned reward of each step, (T, N)."""
        found = steps.axes[self.axis] if self.axis else steps.learned
        assert found is not None
        return found
