"""The seam for kinds of question: what the page draws, what an answer may say, and what it teaches.

A kind holds no state and imports torch only inside its functions, because the station uses it too.
An answer is a JSON object. It names clips by their place in the question ("A" is the first), never by the side of the
screen that they were shown on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from robo_rlhf.types import Array, Segment

if TYPE_CHECKING:
    from torch import Tensor

AnswerValue = Mapping[str, Any]  # a JSON object

CLIP_NAMES = "ABCDEF"  # clips are named in the order of the question


@dataclass(frozen=True)
class Control:
    """One thing that a person can press to answer."""

    label: str
    key: str  # as KeyboardEvent.key
    value: AnswerValue  # the answer that it gives


@dataclass(frozen=True)
class Target:
    """What one answer teaches about K clips."""

    values: Array  # (K,) float32; what they mean is the kind's own affair
    weight: float = 1.0  # how much the answer counts, 1 for a plain one
    clips: tuple[Segment, ...] = ()  # the K segments that are meant; empty for the clips of the question


class Judge(Protocol):
    """A simulated person who judges clips by their true returns; returns are (K,) float64, one a clip."""

    def choose(self, returns: Array) -> int:
        """Return the place of the clip that seems best."""
        ...

    def alike(self, returns: Array) -> bool:
        """Whether the clips seem equally good."""
        ...

    def unsure(self, returns: Array) -> bool:
        """Whether none of the clips shows enough to judge."""
        ...


class QueryKind(Protocol):
    """One kind of question over K clips."""

    kind: str
    num_clips: range  # how many clips a question may have
    controls: tuple[Control, ...]

    def validate(self, answer: AnswerValue, num_clips: int) -> None:
        """Check what a person sent.

        Raises:
            InvalidValueError: it is no answer to a question of this kind with `num_clips` clips.
        """
        ...

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return what a valid answer about `clips` teaches; None where it trains nothing."""
        ...

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the same opinion for a question whose clip i is clip `order[i]` of this one."""
        ...

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return how likely the answers are, (E, B), under each of E reward models.

        Args:
            returns: (E, B, K) sum of rewards over each clip.
            values: (B, K) the values of the targets; or (E, B, K), other targets for each model.
            flip: (B,) or (E, B) in [0, 1), the chance that a person answers at random.
        """
        ...

    def forecast(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the confidence (B,) of the ensemble's own answer and whether people gave it, (B,) in {0, 1}.

        Both are NaN where an answer is neither right nor wrong, such as a tie. `returns` and `values` as above.
        """
        ...

    def simulate(self, judge: Judge, returns: Array) -> AnswerValue:
        """Return what `judge` answers about clips whose true returns are (K,)."""
        ...
