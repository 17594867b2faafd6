"""Writing down one answer: the only way in, for people and for simulated teachers alike.

An answer under a lease counts while the lease is live: its place among the answers that were asked for was kept. After
it has run out the answer is late: it counts if the question still has room, that is if fewer people than its overlap
have answered it or hold it just now; else it is kept as surplus and does not count. Whoever has answered may change the
answer: what counted goes on counting. Without a lease a program answers on its own account, and that always counts.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from robo_rlhf.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.feedback.engine import add_new, insert_or_update
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.base import AnswerValue
from robo_rlhf.feedback.records import COUNTED, AnnotatorKind, Standing, json_text, now_text
from robo_rlhf.feedback.tables import annotators, answers, leases, questions, segments

LONGEST_NAME = 200  # characters of a name or an idempotency key


@dataclass(frozen=True)
class Sent:
    """An answer as it came."""

    question: str
    annotator: str
    annotator_kind: AnnotatorKind
    value: AnswerValue | None
    key: str
    response_time: float | None
    lease: int | None
    shown: str | None

    def check(self) -> None:
        """Check what can be checked without the database.

        Raises:
            InvalidValueError: no name, no key, or a response time that cannot be.
        """
        if not self.annotator or not self.key:
            raise InvalidValueError(
                "answer", f"annotator {self.annotator!r} and key {self.key!r}", "neither to be empty"
            )
        for name, text in (("annotator", self.annotator), ("key", self.key)):
            if len(text) > LONGEST_NAME or "\0" in text:
                raise InvalidValueError(f"{name} of an answer", f"{len(text)} characters", f"at most {LONGEST_NAME}")
        if self.response_time is not None and not 0 <= self.response_time < math.inf:
            raise InvalidValueError("response time of an answer [s]", self.response_time, "a finite number from 0")


@dataclass(frozen=True)
class Written:
    """What became of an answer."""

    new: bool  # False: it was there already
    standing: Standing


def write_answer(connection: sa.Connection, sent: Sent, now: float) -> Written:
    """Write an answer and what follows from it; `now` is the time of the leases [s].

    Raises:
        NotFoundError: there is no such question, or no such lease of this person.
        InvalidValueError: it is no answer to a question of this kind.
        ConflictError: the key was used by this annotator for something else.
    """
    _check(connection, sent)
    value = None if sent.value is None else json_text(sent.value)
    before = _with_same_key(connection, sent, value)
    if before is not None:
        return Written(False, before)
    lease = _lock_lease(connection, sent)
    question = _lock_question(connection, sent.question)
    after = _decide(sent, lease, question)
    row = {name: getattr(sent, name) for name in ("annotator", "annotator_kind", "response_time")}
    row |= {"question_id": sent.question, "idempotency_key": sent.key, "value": value, "answered": now_text()}
    row |= {"standing": after.standing, "shown": sent.shown or lease.shown}
    if not add_new(connection, answers, row):  # sent twice at the same time
        standing = _with_same_key(connection, sent, value)
        assert standing is not None
        return Written(False, standing)
    _update_lease(connection, lease, after, now)
    change = after.counted - lease.counted
    held = (after.state == "live") - (lease.state == "live") if lease.purpose == "work" else 0
    simulated = change if sent.annotator_kind == "simulated" else 0
    count(connection, question, given=change, held=held, simulated=simulated)
    return Written(True, after.standing)


def count(connection: sa.Connection, question: Any, *, given: int = 0, held: int = 0, simulated: int = 0) -> None:
    """Change the counters of a question, whose row was read under a lock, and with them whether it is wanted."""
    if not (given or held or simulated):
        return
    taken = question.given + given + question.held + held
    wanted = question.role == "work" and question.withdrawn is None and taken < question.overlap
    values = {"given": question.given + given, "held": question.held + held}
    values |= {"simulated": question.simulated + simulated, "wanted": int(wanted)}
    values["again"] = int(wanted and (question.again or not question.wanted))
    connection.execute(sa.update(questions).where(questions.c.id == question.id).values(values))


def lock_question(connection: sa.Connection, question: str) -> Any:
    """Return the row of a question, which nobody else changes until this transaction ends; None where there is none."""
    query = sa.select(questions).where(questions.c.id == question).with_for_update(key_share=True)
    return connection.execute(query).one_or_none()


def introduce(connection: sa.Connection, annotator: str, kind: AnnotatorKind, *, handed: int = 0) -> int:
    """Add an annotator who is new, hold back whoever else acts for them, and note that they are handed questions.

    Returns how many they had been handed before.
    """
    row = {"name": annotator, "kind": kind, "team": "", "handed": handed, "since": now_text()}
    add = insert_or_update(connection, annotators, row, {"handed": annotators.c.handed + handed})
    return int(connection.execute(add.returning(annotators.c.handed)).scalar_one()) - handed


@dataclass(frozen=True)
class _Lease:
    number: int | None  # None: there is no row yet
    purpose: str
    state: str
    counted: int
    shown: str | None
    life: float  # [s]


@dataclass(frozen=True)
class _After:
    standing: Standing
    state: str
    counted: int


def _check(connection: sa.Connection, sent: Sent) -> None:
    clips = sa.select(sa.func.count()).where(segments.c.question_id == questions.c.id).scalar_subquery()
    asked = sa.select(questions.c.kind, questions.c.meta, clips).where(questions.c.id == sent.question)
    found = connection.execute(asked).one_or_none()
    if found is None:
        raise NotFoundError("question", sent.question, "It may belong to another database; list what is there.")
    if sent.value is not None:
        kind, meta, number = found
        KINDS[kind].validate(sent.value, number, json.loads(meta))
        note = sent.value.get("note", "")
        if not isinstance(note, str):
            raise InvalidValueError("note of an answer", repr(note), "text")


def _with_same_key(connection: sa.Connection, sent: Sent, value: str | None) -> Standing | None:
    """Return the standing of the same answer, where it is there already."""
    same_key = (answers.c.annotator == sent.annotator) & (answers.c.idempotency_key == sent.key)
    columns = (answers.c.question_id, answers.c.value, answers.c.standing)
    found = connection.execute(sa.select(*columns).where(same_key)).one_or_none()
    if found is None:
        return None
    if (found.question_id, found.value) != (sent.question, value):
        what = f"answer with key {sent.key!r} of {sent.annotator}"
        raise ConflictError(what, "the key came with another answer before")
    standing: Standing = found.standing
    return standing


def _lock_lease(connection: sa.Connection, sent: Sent) -> _Lease:
    mine = (leases.c.annotator == sent.annotator) & (leases.c.question_id == sent.question)
    mine &= leases.c.turn == 0 if sent.lease is None else leases.c.number == sent.lease
    row = connection.execute(sa.select(leases).where(mine).with_for_update()).one_or_none()
    if row is not None:
        return _Lease(row.number, row.purpose, row.state, row.counted, row.shown, row.expires - row.issued)
    if sent.lease is not None:
        advice = f"It does not belong to {sent.annotator} and question {sent.question}; ask for the next question."
        raise NotFoundError("lease", sent.lease, advice)
    number = introduce(connection, sent.annotator, sent.annotator_kind, handed=1)
    role = connection.scalar(sa.select(questions.c.role).where(questions.c.id == sent.question))
    new = {"question_id": sent.question, "annotator": sent.annotator, "turn": 0, "purpose": role, "state": "expired"}
    new |= {"issued": 0.0, "expires": 0.0, "nth": number, "counted": 0}
    add_new(connection, leases, new)
    locked = connection.execute(sa.select(leases).where(mine).with_for_update()).one()
    return _Lease(locked.number, locked.purpose, locked.state, locked.counted, locked.shown, 0.0)


def _lock_question(connection: sa.Connection, question: str) -> Any:
    row = lock_question(connection, question)
    assert row is not None  # questions are never deleted
    return row


def _decide(sent: Sent, lease: _Lease, question: Any) -> _After:
    """Return what the answer is worth, by the rule at the top of this file."""
    left = "live" if sent.lease is not None and lease.life > 0 else "expired"  # taken back: to be answered anew
    state = "answered" if sent.value is not None else left
    if lease.purpose != "work":
        special: Standing = lease.purpose  # type: ignore[assignment]
        return _After(special, state, 0)
    if sent.value is None:
        surplus = lease.state == "answered" and not lease.counted
        return _After("surplus" if surplus else "counted", state, 0)
    standing: Standing
    if lease.counted:
        standing = "counted"
    elif question.withdrawn is not None:
        standing = "withdrawn"
    elif sent.lease is None or lease.state == "live":
        standing = "counted"
    else:
        standing = "late" if question.given + question.held < question.overlap else "surplus"
    return _After(standing, state, int(standing in COUNTED))


def _update_lease(connection: sa.Connection, lease: _Lease, after: _After, now: float) -> None:
    values: dict[str, Any] = {"state": after.state, "counted": after.counted}
    if after.state == "live":
        values |= {"issued": now, "expires": now + lease.life}
    connection.execute(sa.update(leases).where(leases.c.number == lease.number).values(values))
