"""Comparison along named axes: which of two clips is faster, safer, smoother; each A, B, a tie, or can't tell.

The question's meta names the axes, see `feedback.axes`. Each axis is a pairwise preference that trains a reward of its
own; an axis on which a person can't tell trains nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.axes import OVERALL, axes_of
from robo_rlhf.feedback.kinds import KINDS
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
    renamed,
)

_SHARES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "tie": (0.5, 0.5)}
_CHOICES = (*_SHARES, CANT_TELL)


class Axes(QueryKind):
    """Bradley-Terry over the returns of two clips, for each axis under the reward of that axis."""

    kind = "axes"
    prompt = "Which is better, on each of these?"
    layout = "levels"
    num_clips = range(2, 3)
    composed = "a choice on each axis"
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"axes": (), "choice": ()}
    controls = (
        Control("A", "1", {"axes": {OVERALL: "A"}}, part=True),
        Control("B", "2", {"axes": {OVERALL: "B"}}, part=True),
        Control("Tie", "3", {"axes": {OVERALL: "tie"}}, part=True),
        Control("Can't tell", "0", {"axes": {OVERALL: CANT_TELL}}, part=True),
        Control("Can't tell any", "9", {"choice": CANT_TELL}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is {"axes": {each axis: a choice}}, or {"choice": "cant_tell"}."""
        check_clips(self, num_clips)
        if "axes" not in answer and answer.get("choice") == CANT_TELL:
            return
        chosen, names = answer.get("axes"), axes_of(asked)
        if not isinstance(chosen, Mapping) or set(chosen) != set(names) or "choice" in answer:
            expected = f"axes with each of {', '.join(names)}, or a choice of {CANT_TELL}"
            raise InvalidValueError("answer to an axes question", repr(chosen), expected)
        for name, choice in chosen.items():
            if not isinstance(choice, str) or choice not in _CHOICES:
                raise InvalidValueError(f"choice on axis {name}", repr(choice), f"one of {', '.join(_CHOICES)}")

    def targets(self, answer: AnswerValue, clips: Sequence[Segment]) -> Mapping[str, Target]:
        """Return the share of each clip, (2,), on every axis that was judged."""
        return {name: Target(np.array(shares, np.float32)) for name, shares in _judged(answer).items()}

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the mean share of each clip over the axes that were judged, (2,)."""
        shares = list(_judged(answer).values())
        return Target(np.array(shares, np.float32).mean(0)) if shares else None

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the same opinion for a question whose clip i is clip `order[i]` of this one."""
        if "axes" not in answer:
            return answer
        picks = answer["axes"].items()
        moved = {name: renamed(picked, order) if picked in ("A", "B") else picked for name, picked in picks}
        return {**answer, "axes": moved}

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return which clip is better on each axis, or that neither is."""
        picked = {"A": "A", "B": "B", "tie": "neither"}
        return {name: picked[choice] for name, choice in answer.get("axes", {}).items() if choice in picked}

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Compare the clips overall as `judge` would: there is one return to judge by, and so one axis."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        return {"axes": {OVERALL: "tie" if judge.alike(returns) else "AB"[judge.choose(returns)]}}


def _judged(answer: AnswerValue) -> dict[str, tuple[float, float]]:
    return {name: _SHARES[choice] for name, choice in answer.get("axes", {}).items() if choice in _SHARES}


KINDS.register("axes")(Axes())
