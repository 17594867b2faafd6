"""Pairwise preference: which of two clips is better? A, B, a tie, can't tell, or both bad.

A tie counts half for each clip. "Both bad" also says that neither is better, but people press it for clips that are bad
in different ways and to different degrees, so it counts as a tie of half the weight. "Can't tell" trains nothing.
A program may say how sure it is: {"choice": "A", "probability": 0.8} is a share of 0.8 for A.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import (
    NOTHING,
    AnswerValue,
    Control,
    Label,
    QueryKind,
    SimulatedJudge,
    Target,
)

BOTH_BAD_WEIGHT = 0.5

_VALUES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.5, 0.5), "cant_tell": None}


class Pairwise(QueryKind):
    """Bradley-Terry over the returns of two clips, with the flip rate of Christiano et al. (2017), section 2.2.3."""

    kind = "pairwise"
    prompt = "Which does the task better?"
    num_clips = range(2, 3)
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"choice": (), "probability": ()}
    controls = (
        Control("A is better", "1", {"choice": "A"}),
        Control("B is better", "2", {"choice": "B"}),
        Control("Equally good", "3", {"choice": "tie"}),
        Control("Both bad", "4", {"choice": "both_bad"}),
        Control("Can't tell", "0", {"choice": "cant_tell"}),
    )

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is one of the controls', with a probability of 0.5 to 1 where a clip is better."""
        super().validate(answer, num_clips, asked)
        if (sure := answer.get("probability")) is None:
            return
        if not isinstance(sure, int | float) or isinstance(sure, bool) or not 0.5 <= sure <= 1:
            raise InvalidValueError("probability of an answer", repr(sure), "a number from 0.5 to 1")
        if answer["choice"] not in ("A", "B"):
            raise InvalidValueError("probability of an answer", f"one of {answer['choice']!r}", "one of a clip, A or B")

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the share of each clip, (2,), which add up to one."""
        values = _VALUES[answer["choice"]]
        if values is None:
            return None
        if "probability" in answer:
            sure = float(answer["probability"])
            values = (sure, 1 - sure) if answer["choice"] == "A" else (1 - sure, sure)
        weight = BOTH_BAD_WEIGHT if answer["choice"] == "both_bad" else 1.0
        return Target(np.array(values, np.float32), weight)

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return which clip is better, or that neither is."""
        meant = {"A": "A", "B": "B", "tie": "neither", "both_bad": "neither"}
        return {"better": meant[answer["choice"]]} if answer["choice"] in meant else {}

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would: clips that are alike are a tie."""
        if not judge.unsure(returns) and judge.alike(returns):
            return {"choice": "tie"}
        return super().simulate(judge, returns, steps)


KINDS.register("pairwise")(Pairwise())
