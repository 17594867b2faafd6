"""Success: is the task done at the end of this clip? One key a clip; it trains what success looks like, not worth."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.feedback.binary_kind import BinaryKind
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CANT_TELL, AnswerValue, Control, SimulatedJudge


class Success(BinaryKind):
    """The task is done at the end of a clip with probability sigmoid(logit of a success classifier)."""

    kind = "success"
    prompt = "Did it succeed?"
    words = ("no", "yes")
    about = "success"
    needs: Literal["returns", "steps", "success"] = "success"
    controls = (
        Control("No", "1", {"choice": "no"}),
        Control("Yes", "2", {"choice": "yes"}),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Answer as `judge` would, who sees above 0 where the task is done; the last step of the clip counts."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        seen = float(steps[0][-1]) if len(steps) else float(returns[0])
        return {"choice": self.words[judge.choose(np.array([-seen, seen]))]}


KINDS.register("success")(Success())
