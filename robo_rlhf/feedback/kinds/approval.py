"""Approval: is this clip good or bad? It is the fastest kind. "Can't tell" trains nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.likelihoods import log_mixed
from robo_rlhf.feedback.question_kind import (
    CANT_TELL,
    AnswerValue,
    Control,
    Label,
    QueryKind,
    SimulatedJudge,
    Target,
)

if TYPE_CHECKING:
    from torch import Tensor

_VALUES = {"good": 1.0, "bad": 0.0}


class Approval(QueryKind):
    """Bernoulli: a clip is good with probability sigmoid(return), so that a return of 0 divides good from bad."""

    kind = "approval"
    prompt = "Is this good?"
    controls = (
        Control("Bad", "1", {"choice": "bad"}),
        Control("Good", "2", {"choice": "good"}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return 1 for good and 0 for bad, (1,)."""
        value = _VALUES.get(answer["choice"])
        return None if value is None else Target(np.array([value], np.float32))

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return good or bad."""
        return {"good": answer["choice"]} if answer["choice"] in _VALUES else {}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return log((1 - flip) P(answer) + flip / 2), (E, B), with P(good) = sigmoid(return)."""
        from torch.nn.functional import logsigmoid

        good, signed = values[..., 0] > 0.5, returns[..., 0]
        return log_mixed(logsigmoid(signed.where(good, -signed)), 2, flip)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return how sure the ensemble is that the clip is good, or bad, and whether people say so too."""
        probability = returns[..., 0].sigmoid().mean(0)  # (B,)
        right = (probability > 0.5) == (values[:, 0] > 0.5)
        return probability.maximum(1 - probability), right.to(probability.dtype)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would; one who is unsure can't tell."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        return {"choice": ("bad", "good")[int(judge.grade(returns, 2)[0])]}


KINDS.register("approval")(Approval())
