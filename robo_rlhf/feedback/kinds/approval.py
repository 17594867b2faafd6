"""Approval: is this clip good or bad? It is the fastest kind. "Can't tell" trains nothing."""

from collections.abc import Sequence

from robo_rlhf.core.types import Array
from robo_rlhf.feedback.binary_kind import BinaryKind
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CANT_TELL, AnswerValue, Control, SimulatedJudge


class Approval(BinaryKind):
    """A clip is good with probability sigmoid(return)."""

    kind = "approval"
    prompt = "Is this good?"
    words = ("bad", "good")
    about = "good"
    controls = (
        Control("Bad", "1", {"choice": "bad"}),
        Control("Good", "2", {"choice": "good"}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would; one who is unsure can't tell."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        return {"choice": self.words[int(judge.grade(returns, 2)[0])]}


KINDS.register("approval")(Approval())
