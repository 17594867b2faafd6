"""Submission of one answer: the only code that adds answers, of people and of simulated teachers alike.

An answer under a lease counts while the lease is live: its place among the requested answers was reserved. After
it has run out the answer is late: it counts if the question still has room, that is if fewer people than its overlap
have answered it or hold it just now; else it is kept as surplus and does not count. The annotator may change an answer:
one that counted still counts. Without a lease a program answers unasked, and that always counts.

All writers lock rows in one order: the person, the question, then its leases. Otherwise two transactions could wait
for each other, until the database ends one of them a second later.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.database.engine import add_new
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.assignment.task_settings import listed_reasons
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import NOTE, REASONS, AnswerValue, check_keys
from robo_rlhf.feedback.reasons.given import OBJECTS, explained, is_the_same
from robo_rlhf.feedback.records import COUNTED, AnnotatorKind, Standing, json_text
from robo_rlhf.feedback.tables import answers, leases, questions, segments
from robo_rlhf.webhooks.events import Event, queue_event
from robo_rlhf.webhooks.tables import webhooks

LONGEST_NAME = 200  # characters of a name or an idempotency key


@dataclass(frozen=True)
class SubmittedAnswer:
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
class SubmissionResult:
    """The outcome of a submission."""

    new: bool  # False: it was there already
    standing: Standing


def write_answer(connection: sa.Connection, sent: SubmittedAnswer, now: float) -> SubmissionResult:
    """Write an answer and what follows from it; `now` is the time of the leases [s].

    Raises:
        NotFoundError: there is no such question, or no such lease of this person.
        InvalidValueError: it is no answer to a question of this kind.
        ConflictError: the key was used by this annotator for something else.
    """
    before = _ensure_program(connection, sent)
    question, lease = _read(connection, sent)
    value = _checked(connection, sent, question)
    lease = lease or _new_lease(connection, sent, question, before)
    after = _decide(sent, lease, question)
    row: dict[str, Any] = {"question_id": sent.question, "value": value, "answered": timestamp()}
    row |= {name: getattr(sent, name) for name in ("annotator", "annotator_kind", "response_time")}
    row |= {"idempotency_key": sent.key, "standing": after.standing, "shown": sent.shown or lease.shown}
    settled = _next_state(sent, question, lease, after, now)
    if connection.dialect.name == "postgresql":
        new = {f"its_{name}": value for name, value in row.items()}
        number = connection.execute(_at_once(after.state == "live"), {**new, **settled}).scalar()
    else:
        number = connection.execute(_add("sqlite"), row).scalar()
        if number is not None:
            connection.execute(_BACK_TO_LIFE if after.state == "live" else _SETTLE, settled)
            connection.execute(_COUNT, settled)
    if number is None:
        return SubmissionResult(False, _with_same_key(connection, sent, value))
    if sent.annotator_kind == "simulated":
        connection.execute(_A_PROGRAM, {"person": sent.annotator})
    if question.listeners:
        event: Event = "answer.changed" if value is None or lease.state == "answered" else "answer.created"
        payload = {"number": number, **row, "value": dict(sent.value) if sent.value is not None else None}
        queue_event(connection, event, [{**payload, **_event_about(question)}])
    return SubmissionResult(True, after.standing)


def _event_about(question: Any) -> dict[str, Any]:
    """Return the fields of a question that messages about its answers contain."""
    return {name: getattr(question, name) for name in ("run", "round", "kind", "task")}


def count(connection: sa.Connection, question: Any, *, given: int = 0, held: int = 0, simulated: int = 0) -> None:
    """Change the counters of a question, whose row was read under a lock, and with them whether it is wanted."""
    if given or held or simulated:
        connection.execute(_COUNT, _counters(question, given=given, held=held, simulated=simulated))


def _counters(question: Any, *, given: int, held: int, simulated: int) -> dict[str, Any]:
    """Return what the counters of a question are to be, for `_COUNT`."""
    taken = question.given + given + question.held + held
    wanted = question.role == "work" and question.withdrawn is None and taken < question.overlap
    values = {"given": question.given + given, "held": question.held + held}
    values |= {"simulated": question.simulated + simulated, "wanted": int(wanted)}
    values["again"] = int(wanted and (question.again or not question.wanted))
    return {"question_number": question.number, **{f"new_{name}": values[name] for name in _COUNTERS}}


def ensure_annotator(connection: sa.Connection, annotator: str, kind: AnnotatorKind, *, handed: int = 0) -> int:
    """Add an annotator who is new, lock their row against others, and count the questions assigned to them.

    Returns how many they had been assigned before.
    """
    row = {"name": annotator, "kind": kind, "team": "", "handed": handed, "since": timestamp(), "more": handed}
    return int(connection.execute(_insert_annotator(connection.dialect.name), row).scalar_one()) - handed


@dataclass(frozen=True)
class _Lease:
    number: int
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


def _checked(connection: sa.Connection, sent: SubmittedAnswer, question: Any) -> str | None:
    """Validate an answer and return it as stored in the table."""
    value = sent.value
    if value is None:
        return None
    check_keys(KINDS[question.kind], value, (NOTE, REASONS))
    KINDS[question.kind].validate(value, question.clips, json.loads(question.meta))
    note = value.get(NOTE, "")
    if not isinstance(note, str):
        raise InvalidValueError("note of an answer", repr(note), "text")
    return json_text(value) if REASONS not in value else _with_reasons(connection, sent, value, question)


def _with_reasons(connection: sa.Connection, sent: SubmittedAnswer, value: AnswerValue, question: Any) -> str:
    """Return an answer with reasons as it is stored; one that is sent again is compared as it was sent before.

    Since then the task's list may have changed.
    """
    same_key = (answers.c.annotator == sent.annotator) & (answers.c.idempotency_key == sent.key)
    before = connection.scalar(sa.select(answers.c.value).where(same_key))
    if before is not None:
        return str(before) if is_the_same(json.loads(before), value) else json_text(value)
    lengths = connection.scalars(_LENGTHS, {"question": sent.question}).all()
    named = json.loads(question.meta).get(OBJECTS, ())
    return json_text(explained(value, listed_reasons(connection, question.task), lengths, named))


def _with_same_key(connection: sa.Connection, sent: SubmittedAnswer, value: str | None) -> Standing:
    """Return the standing of the answer that came with the same key before."""
    same_key = (answers.c.annotator == sent.annotator) & (answers.c.idempotency_key == sent.key)
    found = connection.execute(sa.select(answers).where(same_key)).one()
    if (found.question_id, found.value) != (sent.question, value):
        what = f"answer with key {sent.key!r} of {sent.annotator}"
        raise ConflictError(what, "the key came with another answer before")
    standing: Standing = found.standing
    return standing


def _read(connection: sa.Connection, sent: SubmittedAnswer) -> tuple[Any, _Lease | None]:
    """Lock and return the question, and the lease that the answer is under.

    Without one it is any lease that this person had of the question: a separate statement, after the question is
    locked, because what comes with the lock and is not locked itself would be as old as the wait for it.
    """
    asked = {"question": sent.question, "person": sent.annotator}
    if sent.lease is not None:
        both = connection.execute(_QUESTION_AND_LEASE, {**asked, "lease": sent.lease}).one_or_none()
        if both is not None:
            return both, _lease_of(both, "lease_")
    question = connection.execute(LOCKED_QUESTION, {"question": sent.question}).one_or_none()
    if question is None:
        raise NotFoundError("question", sent.question, "It may belong to another database; list what is there.")
    if sent.lease is not None:
        advice = f"It does not belong to {sent.annotator} and question {sent.question}; ask for the next question."
        raise NotFoundError("lease", sent.lease, advice)
    mine = connection.execute(_LOCKED_MINE, asked).one_or_none()
    return question, _lease_of(mine) if mine is not None else None


def _ensure_program(connection: sa.Connection, sent: SubmittedAnswer) -> int:
    """Add an annotator who answers without a lease, unless they had the question; return how many they had."""
    mine = {"person": sent.annotator, "question": sent.question}
    if sent.lease is not None or connection.execute(_MINE, mine).first() is not None:
        return 0
    return ensure_annotator(connection, sent.annotator, sent.annotator_kind)


def _new_lease(connection: sa.Connection, sent: SubmittedAnswer, question: Any, number: int) -> _Lease:
    """Add an expired lease of an annotator who was not assigned the question; `number`: how many they had before."""
    ensure_annotator(connection, sent.annotator, sent.annotator_kind, handed=1)
    new = {"question_id": sent.question, "annotator": sent.annotator, "turn": 0, "purpose": _purpose_of(question.role)}
    add_new(connection, leases, {**new, "state": "expired", "issued": 0.0, "expires": 0.0, "nth": number, "counted": 0})
    return _lease_of(connection.execute(_LOCKED_MINE, {"person": sent.annotator, "question": sent.question}).one())


def _purpose_of(role: str) -> str:
    """Return the purpose of a lease: what a person's doing says counts like an answer that was asked for."""
    return "work" if role == "implicit" else role


def _lease_of(row: Any, prefix: str = "") -> _Lease:
    found = {name: row._mapping[prefix + name] for name in ("number", "purpose", "state", "counted", "shown")}
    return _Lease(**found, life=row._mapping[prefix + "expires"] - row._mapping[prefix + "issued"])


def _decide(sent: SubmittedAnswer, lease: _Lease, question: Any) -> _After:
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


def _next_state(sent: SubmittedAnswer, question: Any, lease: _Lease, after: _After, now: float) -> dict[str, Any]:
    """Return what the lease and the counters of the question are to be, for the statements that write an answer."""
    values: dict[str, Any] = {"lease_number": lease.number, "new_state": after.state, "new_counted": after.counted}
    if after.state == "live":
        values |= {"new_issued": now, "new_expires": now + lease.life}
    change = after.counted - lease.counted
    held = (after.state == "live") - (lease.state == "live") if lease.purpose == "work" else 0
    simulated = change if sent.annotator_kind == "simulated" else 0
    return values | _counters(question, given=change, held=held, simulated=simulated)


@cache
def _insert_annotator(dialect: str) -> Any:
    names = ("name", "kind", "team", "handed", "since")
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(annotators)
    insert = insert.values({name: sa.bindparam(name) for name in names})
    more = annotators.c.handed + sa.bindparam("more", type_=sa.Integer)
    update = insert.on_conflict_do_update(index_elements=[annotators.c.name], set_={"handed": more})
    return update.returning(annotators.c.handed)


@cache
def _add(dialect: str) -> Any:
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(answers)
    return insert.on_conflict_do_nothing().returning(answers.c.number)


@cache
def _at_once(live: bool) -> Any:
    """Return the statement of PostgreSQL that writes an answer with what follows from it, unless its key is taken.

    Three statements would be three trips to the server. What is bound is named unlike any column, which an update
    would take it for.
    """
    values: dict[str, sa.BindParameter[Any]] = {
        column.name: sa.bindparam(f"its_{column.name}") for column in answers.c if column.name != "number"
    }
    added = _add("postgresql").values(values).cte("added")
    new = sa.exists(sa.select(added.c.number))
    lease = (_BACK_TO_LIFE if live else _SETTLE).where(new).cte("lease")
    return sa.select(added.c.number).add_cte(lease, _COUNT.where(new).cte("counted"))


_A_PROGRAM = sa.update(annotators).where(annotators.c.name == sa.bindparam("person"), annotators.c.kind == "human")
_A_PROGRAM = _A_PROGRAM.values(kind="simulated")  # who answers by a program once is one: it had leases as a person has
_CLIPS = sa.select(sa.func.count()).where(segments.c.question_id == questions.c.id).scalar_subquery()
_LENGTHS = sa.select(segments.c.length).where(segments.c.question_id == sa.bindparam("question"))
_LENGTHS = _LENGTHS.order_by(segments.c.position)
_QUESTION = questions.c.id == sa.bindparam("question")
_LISTENERS = sa.select(sa.func.count()).where(webhooks.c.active == 1).scalar_subquery()  # webhooks for answers
LOCKED_QUESTION = sa.select(questions, _CLIPS.label("clips"), _LISTENERS.label("listeners")).where(_QUESTION)
LOCKED_QUESTION = LOCKED_QUESTION.with_for_update(key_share=True, of=questions)  # locked until the end
_THAT_LEASE = (leases.c.number == sa.bindparam("lease")) & (leases.c.annotator == sa.bindparam("person"))
_QUESTION_AND_LEASE = LOCKED_QUESTION.add_columns(*(column.label(f"lease_{column.name}") for column in leases.c))
_QUESTION_AND_LEASE = _QUESTION_AND_LEASE.join(leases, leases.c.question_id == questions.c.id).where(_THAT_LEASE)
_QUESTION_AND_LEASE = _QUESTION_AND_LEASE.with_for_update(key_share=True, of=[questions, leases])  # in this order
_MINE = sa.select(leases).where(leases.c.annotator == sa.bindparam("person"), leases.c.turn == 0)
_MINE = _MINE.where(leases.c.question_id == sa.bindparam("question"))
_LOCKED_MINE = _MINE.with_for_update()
_SETTLE = sa.update(leases).where(leases.c.number == sa.bindparam("lease_number"))
_SETTLE = _SETTLE.values({name: sa.bindparam(f"new_{name}") for name in ("state", "counted")})
_BACK_TO_LIFE = _SETTLE.values({name: sa.bindparam(f"new_{name}") for name in ("issued", "expires")})
_COUNTERS = ("given", "held", "simulated", "wanted", "again")
_COUNT = sa.update(questions).where(questions.c.number == sa.bindparam("question_number"))
_COUNT = _COUNT.values({name: sa.bindparam(f"new_{name}") for name in _COUNTERS})
