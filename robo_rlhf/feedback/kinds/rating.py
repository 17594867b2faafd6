"""Rating: how good is this clip, from 1 to 5, on one or several named axes?

The question's meta names them, see `feedback.axes`; without, there is one, "overall". Each axis trains a reward of its
own.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.axes import OVERALL, axes_of
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.likelihoods import log_mixed
from robo_rlhf.feedback.question_kind import (
    CANT_TELL,
    NOTHING,
    AnswerValue,
    Control,
    Label,
    QueryKind,
    SimulatedJudge,
    Target,
    check_clips,
)

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = 5
CUTPOINTS = (-3.0, -1.0, 1.0, 3.0)  # returns that divide the levels; symmetric, so that a 3 is neither good nor bad


class Rating(QueryKind):
    """Ordinal logistic (McCullagh 1980, the proportional odds model) with fixed cutpoints.

    P(level > k) = sigmoid(return - cutpoint_k). The cutpoints are fixed because the offset and scale of a reward are
    free: a network that could move both its rewards and the cutpoints would gain nothing.
    """

    kind = "rating"
    prompt = "How good is this?"
    layout = "levels"
    scale = "ordinal"
    levels = LEVELS
    composed = "a rating"
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"ratings": (), "choice": ()}
    controls = (
        *(
            Control(f"{level} {name}", str(level), {"ratings": {OVERALL: level}}, part=True)
            for level, name in enumerate(("very bad", "bad", "fair", "good", "very good"), 1)
        ),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is {"ratings": {each axis: 1 to 5}}, or {"choice": "cant_tell"}."""
        check_clips(self, num_clips)
        if "ratings" not in answer and answer.get("choice") == CANT_TELL:
            return
        ratings = answer.get("ratings")
        axes = axes_of(asked)
        if not isinstance(ratings, Mapping) or set(ratings) != set(axes):
            expected = f"ratings with each of {', '.join(axes)}, or a choice of {CANT_TELL}"
            raise InvalidValueError("answer to a rating question", repr(ratings), expected)
        for axis, level in ratings.items():
            if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= LEVELS:
                raise InvalidValueError(f"rating of {axis}", repr(level), f"a whole number from 1 to {LEVELS}")

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the share of the axes that are at each level, (5,)."""
        return _levels(list(answer["ratings"].values())) if "ratings" in answer else None

    def targets(self, answer: AnswerValue, clips: Sequence[Segment]) -> Mapping[str, Target]:
        """Return the level of each axis, as (5,) with 1 at that level."""
        return {axis: _levels([level]) for axis, level in answer.get("ratings", {}).items()}

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return the level of each axis."""
        return dict(answer.get("ratings", {}))

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return sum_k values_k log((1 - flip) P(level k) + flip / 5), (E, B)."""
        return (values * log_mixed(_log_levels(returns[..., 0]), LEVELS, flip[..., None])).sum(-1)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return how sure the ensemble is that the clip is above or below the middle, and whether people say so too.

        Ratings whose mean is the middle are neither right nor wrong.
        """
        import torch

        probability = returns[..., 0].sigmoid().mean(0)  # (B,) of being above the middle
        middle = (LEVELS - 1) / 2
        mean = (values * torch.arange(LEVELS, dtype=values.dtype)).sum(-1) - middle
        right = ((probability > 0.5) == (mean > 0)).to(probability.dtype)
        nothing = torch.full_like(right, torch.nan)
        sided = mean.abs() > 1e-6
        return torch.where(sided, probability.maximum(1 - probability), nothing), torch.where(sided, right, nothing)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Rate the clip overall as `judge` would; one who is unsure can't tell."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        return {"ratings": {OVERALL: int(judge.grade(returns, LEVELS)[0]) + 1}}


def _levels(given: Sequence[int]) -> Target:
    """Return the share of each level, (5,), among levels from 1 to 5."""
    return Target((np.bincount(np.array(given) - 1, minlength=LEVELS) / len(given)).astype(np.float32))


def _log_levels(returns: "Tensor") -> "Tensor":
    """Return the log probability of each level, (..., 5), of returns (...)."""
    import torch
    from torch.nn.functional import logsigmoid

    cut = torch.tensor(CUTPOINTS, dtype=returns.dtype)
    above = returns[..., None] - cut  # (..., 4): logit of a level higher than k
    low, high = above[..., :-1], above[..., 1:]
    width = torch.log1p(-torch.exp(cut[:-1] - cut[1:]))
    between = (
        logsigmoid(low) + logsigmoid(-high) + width
    )  # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^(b-a))
    return torch.cat([logsigmoid(-above[..., :1]), between, logsigmoid(above[..., -1:])], -1)


KINDS.register("rating")(Rating())
