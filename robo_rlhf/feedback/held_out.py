"""Questions whose answers train nothing, as they are held out to judge what was trained."""

from collections.abc import Iterable

from robo_rlhf.feedback.records import Question

WATCHES = "watches"  # in a question's meta: which clip is of the newest policy; see `robo_rlhf.pipeline.steps.alarm`


def for_training(questions: Iterable[Question]) -> list[Question]:
    """Return the questions whose answers may train a reward."""
    return [question for question in questions if WATCHES not in question.meta]
