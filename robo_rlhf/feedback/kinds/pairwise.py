"""Pairwise preference: which of two clips is better? A, B, a tie, can't tell, or both bad.

A tie counts half for each clip. "Both bad" also says that neither is better, but people press it for clips that are bad
in different ways and to different degrees, so it counts as a tie of half the weight. "Can't tell" trains nothing.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.likelihoods import predict_best, prefer
from robo_rlhf.feedback.question_kind import (
    NOTHING,
    AnswerValue,
    Control,
    Label,
    Layout,
    Scale,
    SimulatedJudge,
    Target,
    check_clips,
    renamed,
)

if TYPE_CHECKING:
    from torch import Tensor

BOTH_BAD_WEIGHT = 0.5

_VALUES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.5, 0.5), "cant_tell": None}


class Pairwise:
    """Bradley-Terry over the returns of two clips, with the flip rate of Christiano et al. (2017), section 2.2.3."""

    kind = "pairwise"
    prompt = "Which does the task better?"
    layout: Layout = "choice"
    num_clips = range(2, 3)
    needs: Literal["returns", "steps"] = "returns"
    scale: Scale = "nominal"
    keys: Mapping[str, tuple[str, ...]] = {"choice": ()}
    controls: tuple[Control, ...] = (
        Control("A is better", "1", {"choice": "A"}),
        Control("B is better", "2", {"choice": "B"}),
        Control("Equally good", "3", {"choice": "tie"}),
        Control("Both bad", "4", {"choice": "both_bad"}),
        Control("Can't tell", "0", {"choice": "cant_tell"}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is {"choice": one of the five}; a "note" may come with it."""
        check_clips(self, num_clips)
        choice = answer.get("choice")
        if not isinstance(choice, str) or choice not in _VALUES:
            raise InvalidValueError("answer to a pairwise question", repr(choice), f"a choice of {', '.join(_VALUES)}")

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the share of each clip, (2,), which add up to one."""
        values = _VALUES[answer["choice"]]
        if values is None:
            return None
        weight = BOTH_BAD_WEIGHT if answer["choice"] == "both_bad" else 1.0
        return Target(np.array(values, np.float32), weight)

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the answer with the clips renamed."""
        if answer["choice"] not in ("A", "B"):
            return answer
        return {**answer, "choice": renamed(answer["choice"], order)}

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return which clip is better, or that neither is."""
        meant = {"A": "A", "B": "B", "tie": "neither", "both_bad": "neither"}
        return {"better": meant[answer["choice"]]} if answer["choice"] in meant else {}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return sum_k values_k log((1 - flip) softmax(returns)_k + flip / 2), (E, B)."""
        return prefer(returns, values, flip)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the ensemble's probability of the clip that it prefers, and whether people prefer it too."""
        return predict_best(returns, values)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would; one who is unsure can't tell."""
        if judge.unsure(returns):
            return {"choice": "cant_tell"}
        if judge.alike(returns):
            return {"choice": "tie"}
        return {"choice": "AB"[judge.choose(returns)]}


KINDS.register("pairwise")(Pairwise())
