"""The environment's reward, or one term of a native task's reward."""

from pathlib import Path
from typing import Any, ClassVar

from robo_rlhf.core.errors import UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Need, Steps, Term


@TERMS.register("task")
class TaskReward(Term):
    """The whole reward of the environment."""

    name = "task"
    needs: ClassVar[tuple[Need, ...]] = ("task",)

    def __call__(self, steps: Steps) -> Array:
        """Return the reward of each step, (T, N)."""
        assert steps.task is not None
        return steps.task


@TERMS.register("term")
class TaskTerm(Term):
    """One named term of a native task, in [0, 1]."""

    name = "term"
    needs: ClassVar[tuple[Need, ...]] = ("terms",)

    def __init__(self, which: str) -> None:
        """Take the term called `which`."""
        self.which = which

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Return the name of a term."""
        return {"which": "near"}

    def __call__(self, steps: Steps) -> Array:
        """Return the term after each step, (T, N).

        Raises:
            UnknownNameError: the task has no such term.
        """
        if self.which not in steps.terms:
            raise UnknownNameError("term of the task", self.which, steps.terms)
        return steps.terms[self.which]
