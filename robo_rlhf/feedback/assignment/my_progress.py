"""An annotator's own progress: how much, how fast, and how far they agree with themselves and others.

Cheap enough to be queried after every answer: only the person's newest answers are read.
"""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.assignment.assign import QuestionFilter, waiting_for
from robo_rlhf.feedback.assignment.assign_sql import had
from robo_rlhf.feedback.kinds import usable_kind
from robo_rlhf.feedback.question_kind import agreement
from robo_rlhf.feedback.records import COUNTED
from robo_rlhf.feedback.tables import answers, questions

NEWEST = 60  # answers of a person that are read
LATELY = 20  # answers that the working speed is taken from
MOST_WAITING = 500  # counted no further


@dataclass(frozen=True)
class AgreementCount:
    """In how many of how many comparisons two answers agreed; parts count, such as levels that are one apart."""

    hits: float
    of: int


@dataclass(frozen=True)
class Workload:
    """The progress of a person's work."""

    waiting: int  # questions that the person could be asked, counted up to MOST_WAITING
    held: int  # questions that they were asked and have not answered, those that they gave back too
    today: int  # questions answered since the day began
    seconds: float | None  # [s] median from seeing the clips to the answer
    self_agreement: AgreementCount  # with their own earlier answers
    agreement: AgreementCount  # with the answers of others


def waiting(database: Database, person: str, chosen: QuestionFilter) -> int:
    """Return how many questions wait that this person has not had, counted up to MOST_WAITING."""
    query = sa.select(sa.func.count()).select_from(waiting_for(chosen).limit(MOST_WAITING).subquery())
    with database.read() as connection:
        return connection.scalar(query, {"person": person, "chosen": chosen.name, **chosen.values}) or 0


def workload_of(database: Database, person: str, chosen: QuestionFilter, since: datetime) -> Workload:
    """Return the progress of a person; their day began at `since`, which has a time zone."""
    values = {"person": person, "since": since.isoformat(timespec="milliseconds")}
    with database.read() as connection:
        mine = connection.execute(_MINE, values).mappings().all()
        today = connection.scalar(_TODAY, values) or 0
        ids = sorted({row["question_id"] for row in mine if row["standing"] in COUNTED})
        theirs = connection.execute(_THEIRS, {"questions": ids}).mappings().all() if ids else []
        held = connection.scalar(
            had(chosen.run is not None, chosen.task is not None), {"person": person, **chosen.values}
        )
    times = [row["response_time"] for row in mine if row["value"] and row["response_time"] is not None]
    own, others = _newest(theirs, person)
    repeats = [row for row in mine if row["standing"] == "repeat" and row["value"]]
    first = [(own[row["question_id"]], row) for row in repeats if row["question_id"] in own]
    pairs = [(own[row["question_id"]], row) for row in others if row["question_id"] in own]
    return Workload(
        waiting(database, person, chosen),
        held or 0,
        today,
        statistics.median(times[:LATELY]) if times else None,
        _count_agreement(first),
        _count_agreement(pairs),
    )


def answered_between(database: Database, person: str, run: str, after: int, until: int) -> int:
    """Return how many questions of a run a person answered by answers with numbers above `after`, up to `until`."""
    query = sa.select(sa.func.count(answers.c.question_id.distinct())).where(_OWN, answers.c.value.is_not(None))
    query = query.where(answers.c.number > after, answers.c.number <= until)
    query = query.join(questions, questions.c.id == answers.c.question_id).where(questions.c.run == run)
    with database.read() as connection:
        return connection.scalar(query, {"person": person}) or 0


def _newest(rows: Sequence[Any], person: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the person's newest answer to each question, and the newest ones of other people."""
    own: dict[str, Any] = {}
    others: list[Any] = []
    seen = set()
    for row in rows:
        who = (row["question_id"], row["annotator"])
        if who in seen:
            continue
        seen.add(who)
        if row["value"] is None:
            continue
        if row["annotator"] == person:
            own[row["question_id"]] = row
        elif row["annotator_kind"] == "human":
            others.append(row)
    return own, others


def _count_agreement(pairs: Sequence[tuple[Any, Any]]) -> AgreementCount:
    same = Counter((one["kind"], one["value"], other["value"]) for one, other in pairs)  # few differ
    found = [(_agreement(*texts), count) for texts, count in same.items()]
    judged = [(value, count) for value, count in found if value is not None]
    return AgreementCount(sum(value * count for value, count in judged), sum(count for _, count in judged))


def _agreement(kind: str, first: str, second: str) -> float | None:
    return agreement(usable_kind(kind), json.loads(first), json.loads(second))


_OWN = answers.c.annotator == sa.bindparam("person")
_ANSWER = (answers.c.question_id, answers.c.annotator, answers.c.annotator_kind, answers.c.value, answers.c.standing)
_ASKED = sa.select(*_ANSWER, answers.c.response_time, questions.c.kind).join(
    questions, questions.c.id == answers.c.question_id
)
_ASKED = _ASKED.order_by(answers.c.number.desc())
_MINE = _ASKED.where(_OWN).limit(NEWEST)
_THEIRS = _ASKED.where(answers.c.question_id.in_(sa.bindparam("questions", expanding=True)))
_THEIRS = _THEIRS.where(answers.c.standing.in_(COUNTED))
# from the newest answer backwards, and no further than the day: people who have answered for a year wait no longer
_BEFORE = sa.select(answers.c.number).where(_OWN, answers.c.answered < sa.bindparam("since"))
_BEFORE = _BEFORE.order_by(answers.c.number.desc()).limit(1)
_TODAY = sa.select(sa.func.count(answers.c.question_id.distinct())).where(_OWN, answers.c.value.is_not(None))
_TODAY = _TODAY.where(answers.c.number > sa.func.coalesce(_BEFORE.scalar_subquery(), 0))
