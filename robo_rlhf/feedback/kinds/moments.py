"""Moments: presses while a clip plays, when something good or bad happens (evaluative feedback, as in TAMER).

People press after what they mean. A press is credited to the steps that were shown 0.2 to 0.8 s before it, each by the
chance that it is the one meant (Knox and Stone 2009, "Interactively shaping agents via human reinforcement", with a
uniform density of the delay). How many steps that is depends on the speed at which the clip was played.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.likelihoods import log_mixed
from robo_rlhf.feedback.live_signal.credit import DELAY, credit
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

MOST_PRESSES = 1000  # in one answer
PIECE, RATE = 10, 20.0  # a simulated person judges so many steps at once, and sees so many a second


class Moments(QueryKind):
    """A press is good with probability sigmoid(r), where r is what a clip would return that were all like that step.

    An answer is {"presses": [{"sign": 1 or -1, "step": position in the clip [steps], "rate": [steps/s] shown}]}; the
    values of a target are (2, L): how much of a press says of each step that it is good, and that it is bad.
    """

    kind = "moments"
    prompt = "Press when something good or bad happens."
    layout = "presses"
    needs = "steps"
    composed = "presses"
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"presses": ("sign", "step", "rate"), "choice": ()}
    controls = (
        Control("Good now", "+", {"presses": [{"sign": 1}]}, part=True),
        Control("Bad now", "-", {"presses": [{"sign": -1}]}, part=True),
        Control("Nothing stood out", "1", {"presses": []}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is a list of presses, or {"choice": "cant_tell"}."""
        check_clips(self, num_clips)
        if "presses" not in answer and answer.get("choice") == CANT_TELL:
            return
        presses = answer.get("presses")
        if not isinstance(presses, list) or len(presses) > MOST_PRESSES:
            given = f"{len(presses)} presses" if isinstance(presses, list) else repr(presses)
            expected = f"a list of at most {MOST_PRESSES} presses, or a choice of {CANT_TELL}"
            raise InvalidValueError("answer to a moments question", given, expected)
        for press in presses:
            _check_press(press)

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the credit of each step, (2, L), good and bad; None where no press can mean a step of the clip."""
        values = np.zeros((2, clips[0].length), np.float32)
        for press in answer.get("presses", []):
            values[int(press["sign"] < 0)] += credit(press["step"], press["rate"], clips[0].length)
        return Target(values) if values.any() else None

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return whether good or bad presses outweigh."""
        if "presses" not in answer:
            return {}
        balance = sum(press["sign"] for press in answer["presses"])
        return {"balance": "good" if balance > 0 else "bad" if balance < 0 else "neither"}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return the sum over the steps of the log likelihood, (E, B), that they were called good and bad."""
        from torch.nn.functional import logsigmoid

        step, rate = returns[..., 0, :], flip[..., None]  # (E, B, L)
        good, bad = (log_mixed(logsigmoid(signed), 2, rate) for signed in (step, -step))
        return (values[..., 0, :] * good + values[..., 1, :] * bad).sum(-1)

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return how sure the ensemble is of the steps that were pressed about, and whether most are as it thinks."""
        import torch

        good = returns[:, :, 0].sigmoid().mean(0)  # (B, L)
        both = values.sum(-2)
        total = both.sum(-1)
        sure = (both * good.maximum(1 - good)).sum(-1) / total
        agreed = torch.where(good > 0.5, values[:, 0], values[:, 1]).sum(-1) / total
        nothing = torch.full_like(sure, torch.nan)
        sided = (agreed - 0.5).abs() > 1e-6
        return torch.where(sided, sure, nothing), torch.where(sided, (agreed > 0.5).to(sure.dtype), nothing)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Judge half a second after another, and press about those that are clearly good or clearly bad."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        utility = steps[0]
        ends = [*range(PIECE, len(utility), PIECE), len(utility)]
        means = np.array([np.mean(utility[max(end - PIECE, 0) : end]) for end in ends])
        late = RATE * sum(DELAY) / 2 - PIECE / 2  # so that the credit falls on the piece that is meant
        signs = judge.grade(means, 3) - 1
        pressed = [(int(sign), max(end + late, 0.0)) for sign, end in zip(signs, ends, strict=True) if sign]
        return {"presses": [{"sign": sign, "step": step, "rate": RATE} for sign, step in pressed]}


def _check_press(press: object) -> None:
    expected = "an object with a sign of 1 or -1, a step from 0 and a rate above 0 [steps/s]"
    if not isinstance(press, Mapping):
        raise InvalidValueError("press of a moments answer", repr(press), expected)
    sign = press.get("sign")
    fits = sign in (1, -1) and not isinstance(sign, bool)
    if not (fits and _within(press.get("step"), 0.0, 1e6) and _within(press.get("rate"), 1e-3, 1e6)):
        raise InvalidValueError("press of a moments answer", repr(dict(press)), expected)


def _within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


KINDS.register("moments")(Moments())
