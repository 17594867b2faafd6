"""Actions: of three things that the policy might do next from one state, which would you have it do?

The clips are what-if rollouts from the same frame: see `robo_rlhf.rollouts.what_if`. The answer trains the reward, as
a choice of the best clip, and the policy, as a preference over what it does at that state.
"""

from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import CANT_TELL, CLIP_NAMES, Control, QueryKind

CANDIDATES = 3


class NextAction(QueryKind):
    """Softmax over the returns of the rollouts (Luce 1959)."""

    kind = "actions"
    prompt = "From here, which should it do?"
    num_clips = range(CANDIDATES, CANDIDATES + 1)
    of_recordings = False
    controls = (
        *(Control(f"Do {name}", str(i + 1), {"choice": name}) for i, name in enumerate(CLIP_NAMES[:CANDIDATES])),
        Control("Can't tell", "0", {"choice": CANT_TELL}),
    )


KINDS.register("actions")(NextAction())
