"""Success: is the task done at the end of this clip? One key a clip; it trains what success looks like, not worth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

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

_VALUES = {"yes": 1.0, "no": 0.0}


class Success(QueryKind):
    """Bernoulli: the task is done at the end of a clip with probability sigmoid(logit of a success classifier)."""

    kind = "success"
    prompt = "Did it succeed?"
    needs: Literal["returns", "steps", "success"] = "success"
    controls = (
        Control("No", "1", {"choice": "no"}),
        Control("Yes", "2", {"choice": "yes"}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return 1 for yes and 0 for no, (1,)."""
        value = _VALUES.get(answer["choice"])
        return None if value is None else Target(np.array([value], np.float32))

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return yes or no."""
        return {"success": answer["choice"]} if answer["choice"] in _VALUES else {}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return log((1 - flip) P(answer) + flip / 2), (E, B), with P(yes) = sigmoid(logit)."""
        from torch.nn.functional import logsigmoid

        done, logit = values[..., 0] > 0.5, returns[..., 0]
        return log_mixed(logsigmoid(logit.where(done, -logit)), 2, flip)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return how sure the ensemble is of its own answer, and whether people gave it."""
        probability = returns[..., 0].sigmoid().mean(0)  # (B,)
        right = (probability > 0.5) == (values[:, 0] > 0.5)
        return probability.maximum(1 - probability), right.to(probability.dtype)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would, who sees above 0 where the task is done; the last step of the clip counts."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        seen = float(steps[0][-1]) if len(steps) else float(returns[0])
        return {"choice": ("no", "yes")[judge.choose(np.array([-seen, seen]))]}


KINDS.register("success")(Success())
