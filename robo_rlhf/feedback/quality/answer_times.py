"""How long people take to answer each kind of question, and what an answer is worth: what decides which are asked."""

from statistics import median
from typing import NamedTuple

import sqlalchemy as sa

from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, questions

# seconds where too few people have answered, and what an answer teaches, in pairs: 66 to 100 orders of four teach what
# 200 pairs do (docs/benchmarks.md, "What to ask")
PRIORS = {"pairwise": (6.0, 1.0), "ranking": (12.0, 2.5)}
ENOUGH = 10  # answers from which their median counts
MOST = 1000  # answers that are read, the newest


class AnswerTime(NamedTuple):
    """The time of one kind of question."""

    kind: str
    seconds: float  # [s] an answer
    worth: float  # what an answer teaches, in pairs
    source: str  # "median of N answers", or "assumed"


def answer_times(store: Store, task: str) -> list[AnswerTime]:
    """Return the times of the kinds that a run can ask, measured where people have answered such about the task."""
    query = sa.select(questions.c.kind, answers.c.response_time).join(answers, answers.c.question_id == questions.c.id)
    query = query.where(questions.c.task == task, questions.c.kind.in_(PRIORS), answers.c.annotator_kind == "human")
    query = query.where(answers.c.standing.in_(COUNTED), answers.c.response_time.is_not(None))
    with store.database.read() as connection:
        rows = connection.execute(query.order_by(answers.c.number.desc()).limit(MOST)).all()
    return [_time(kind, [seconds for name, seconds in rows if name == kind]) for kind in PRIORS]


def _time(kind: str, taken: list[float]) -> AnswerTime:
    seconds, worth = PRIORS[kind]
    if len(taken) < ENOUGH:
        return AnswerTime(kind, seconds, worth, "assumed")
    return AnswerTime(kind, max(median(taken), 0.1), worth, f"median of {len(taken)} answers")
