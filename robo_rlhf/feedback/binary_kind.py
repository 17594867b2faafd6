"""Questions about one clip with two answers, one of which says yes: approval, success."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.likelihoods import log_mixed
from robo_rlhf.feedback.question_kind import AnswerValue, Label, QueryKind, Target

if TYPE_CHECKING:
    from torch import Tensor


class BinaryKind(QueryKind):
    """Bernoulli: yes with probability sigmoid(value of the clip), so that a value of 0 divides yes from no."""

    words: ClassVar[tuple[str, str]]  # the choices that say no and yes
    about: ClassVar[str]  # what the label is called

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return 1 for yes and 0 for no, (1,)."""
        choice = answer["choice"]
        return Target(np.array([self.words.index(choice)], np.float32)) if choice in self.words else None

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return the choice."""
        return {self.about: answer["choice"]} if answer["choice"] in self.words else {}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return log((1 - flip) P(answer) + flip / 2), (E, B), with P(yes) = sigmoid(value)."""
        from torch.nn.functional import logsigmoid

        yes, value = values[..., 0] > 0.5, returns[..., 0]
        return log_mixed(logsigmoid(value.where(yes, -value)), 2, flip)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return how sure the ensemble is of its own answer, and whether people gave it."""
        probability = returns[..., 0].sigmoid().mean(0)  # (B,)
        right = (probability > 0.5) == (values[:, 0] > 0.5)
        return probability.maximum(1 - probability), right.to(probability.dtype)
