"""Between the screen and the question: a page names clips as they are shown, an answer as they are asked.

An order holds, for each place on the screen, the place in the question of the clip that is shown there.
"""

from collections.abc import Sequence

from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.base import AnswerValue


def as_asked(kind: str, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
    """Return an answer that names clips as they are shown ("A" is the first on the screen), as it is stored."""
    return KINDS[kind].permute(answer, [list(order).index(place) for place in range(len(order))])


def as_shown(kind: str, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
    """Return a stored answer as a page shows it that has the clips in this order."""
    return KINDS[kind].permute(answer, order)
