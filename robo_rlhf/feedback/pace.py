"""What one person is told about their own work: how much, how fast, and how far they agree with themselves and others.

Cheap enough to be asked after every answer: only the person's newest answers are looked at.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from robo_rlhf.feedback.database import Database
from robo_rlhf.feedback.handing import Chosen, wanted_by
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.base import agreement
from robo_rlhf.feedback.records import COUNTED, answer_of
from robo_rlhf.feedback.tables import answers, questions

NEWEST = 120  # answers of a person that are looked at
LATELY = 20  # answers that the pace is taken from
MOST_WAITING = 1000  # counted no further


@dataclass(frozen=True)
class Alike:
    """In how many of how many comparisons two answers agreed; parts count, such as levels that are one apart."""

    hits: float
    of: int


@dataclass(frozen=True)
class Pace:
    """How a person's work goes."""

    waiting: int  # questions that the person could be asked, counted up to MOST_WAITING
    today: int  # questions answered since the day began
    seconds: float | None  # [s] median from seeing the clips to the answer
    self_agreement: Alike  # with what they said before
    agreement: Alike  # with what others said


def waiting(database: Database, person: str, chosen: Chosen) -> int:
    """Return how many questions wait that this person has not had, counted up to MOST_WAITING."""
    query = sa.select(sa.func.count()).select_from(wanted_by(chosen).limit(MOST_WAITING).subquery())
    with database.read() as connection:
        return connection.scalar(query, {"person": person, "chosen": chosen.name, **chosen.values}) or 0


def pace_of(database: Database, person: str, chosen: Chosen, since: datetime) -> Pace:
    """Return how the work of a person goes; their day began at `since`, which knows its time zone."""
    kind = questions.c.kind
    query = sa.select(answers, kind).join(questions, questions.c.id == answers.c.question_id)
    query = query.where(answers.c.annotator == person).order_by(answers.c.number.desc()).limit(NEWEST)
    day = sa.select(sa.func.count(answers.c.question_id.distinct())).where(
        answers.c.annotator == person, answers.c.answered >= since.isoformat(timespec="milliseconds")
    )
    with database.read() as connection:
        mine = connection.execute(query).mappings().all()
        today = connection.scalar(day.where(answers.c.value.is_not(None))) or 0
        ids = {row["question_id"] for row in mine if row["standing"] in COUNTED}
        same = sa.select(answers, kind).join(questions, questions.c.id == answers.c.question_id)
        same = same.where(answers.c.question_id.in_(ids), answers.c.standing.in_(COUNTED))
        theirs = connection.execute(same.order_by(answers.c.number.desc())).mappings().all() if ids else []
    times = [row["response_time"] for row in mine if row["value"] and row["response_time"] is not None]
    own, others = _newest(theirs, person)
    repeats = [row for row in mine if row["standing"] == "repeat" and row["value"]]
    first = [(own[row["question_id"]], row) for row in repeats if row["question_id"] in own]
    pairs = [(own[row["question_id"]], row) for row in others if row["question_id"] in own]
    return Pace(
        waiting(database, person, chosen),
        today,
        statistics.median(times[:LATELY]) if times else None,
        _alike(first),
        _alike(pairs),
    )


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


def _alike(pairs: Sequence[tuple[Any, Any]]) -> Alike:
    found = [agreement(KINDS[one["kind"]], answer_of(one).value, answer_of(other).value) for one, other in pairs]
    judged = [value for value in found if value is not None]
    return Alike(sum(judged), len(judged))
