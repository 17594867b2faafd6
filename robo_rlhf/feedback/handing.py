"""One person's turn: choosing the next question for them, in one transaction.

Questions come in the order in which they were added. Where a person is in that order is remembered, and questions that
become wanted once more are looked for apart, so that finding the next one costs the same after a million answers.
Statements are built once, because building one costs more than running it.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import bindparam

from robo_rlhf.errors import BusyError
from robo_rlhf.feedback.engine import add_new
from robo_rlhf.feedback.kinds.base import CLIP_NAMES
from robo_rlhf.feedback.memory import Memory
from robo_rlhf.feedback.records import Question, order_of, question_of
from robo_rlhf.feedback.submission import LOCKED_QUESTION, count, introduce
from robo_rlhf.feedback.tables import gold, leases, progress, questions, segments
from robo_rlhf.feedback.tasks import Sharing
from robo_rlhf.types import Segment

MOST_AT_ONCE = 10  # questions that one person has in front of them
RECENT = 500  # of a person's answers out of which one is asked once more
KNOWN = 100  # gold questions out of which one is drawn

Purpose = Literal["work", "gold", "practice", "repeat"]

WANTED = sa.text("questions.wanted = 1")
AGAIN = sa.text("questions.wanted = 1 AND questions.again = 1")
LIVE, LEFT = sa.text("leases.state = 'live'"), sa.text("leases.state = 'expired'")


@dataclass(frozen=True)
class Chosen:
    """What a person chose to work on; None for everything."""

    run: str | None = None
    task: str | None = None

    @property
    def name(self) -> str:
        """What the person's place in it is remembered by."""
        return json.dumps([self.run, self.task])

    @property
    def values(self) -> dict[str, str]:
        """What the conditions of the statements are compared with."""
        return {name: value for name, value in (("the_run", self.run), ("the_task", self.task)) if value is not None}


@dataclass(frozen=True)
class Handed:
    """A question in somebody's hands."""

    lease: int
    question: Question
    order: tuple[int, ...]  # the clips as they are to be shown: first the clip at place order[0] of the question
    seconds: float  # [s] that are left
    purpose: Purpose  # not for the eyes of the person

    @property
    def shown(self) -> str:
        """The names of the clips in the order in which they are shown, such as "BA"."""
        return "".join(CLIP_NAMES[place] for place in self.order)


@dataclass(frozen=True)
class Chance:
    """What is left to chance."""

    number: Callable[[], float]  # in [0, 1)
    shuffled: Callable[[int], str]  # the names of so many clips in any order
    pick: Callable[[Sequence[Any]], Any]  # one of the rows; None where there is none


class Turn:
    """One person's turn."""

    def __init__(
        self,
        connection: sa.Connection,
        person: str,
        chosen: Chosen,
        sharing: Sharing,
        chance: Chance,
        memory: Memory,
        now: float,
    ) -> None:
        """Hand out to `person` something of what they chose; `now` is the time of the leases [s]."""
        self.connection, self.person, self.chosen, self.memory = connection, person, chosen, memory
        self.sharing, self.chance, self.now = sharing, chance, now
        self.flags = (chosen.run is not None, chosen.task is not None)
        self.values = {"person": person, "chosen": chosen.name, **chosen.values}

    def next(self, have: tuple[int, ...], practice: bool, wait: bool) -> Handed | None:
        """Return a question that the person has open already, or else a new one.

        Without `wait` only what nobody else is just being given, or answering: then None may mean that there is more.
        """
        self.waits = wait
        before = introduce(self.connection, self.person, "human", handed=1)
        again = self.open_already(have, practice)
        handed = self.resume(again) if wait else None
        if handed is None and (wait or not again):
            new = self.known("practice", before) if practice else self.something_new(before)
            if new is not None:
                return new
            handed = self.left_before(have) if wait and not practice else None
        introduce(self.connection, self.person, "human", handed=-1)  # nothing new was handed out after all
        return handed

    def open_already(self, have: tuple[int, ...], practice: bool) -> list[Any]:
        """Return the leases that the person has in front of them, but for those that the page says it has."""
        rows = self.connection.execute(_OPEN, self.values).all()
        if sum(row.expires > self.now for row in rows) >= MOST_AT_ONCE:
            raise BusyError(f"The review of {self.person}", f"{len(rows)} questions are open and not answered")
        missing = [row for row in rows if row.number not in have and (row.purpose == "practice") == practice]
        return [row for row in missing if self.fits(row, self.question(_QUESTION, row))]

    def resume(self, rows: list[Any]) -> Handed | None:
        """Hand out again what the person has in front of them."""
        for row in rows:
            question = self.question(LOCKED_QUESTION, row)
            if self.unchanged(row):
                if question.withdrawn is None:
                    return self.hand_again(row, question)
                end(self.connection, [row])
        return None

    def question(self, statement: "sa.Select[Any]", lease: Any) -> Any:
        """Return the question of a lease."""
        return self.connection.execute(statement, {"question": lease.question_id}).one()

    def unchanged(self, row: Any) -> bool:
        """Lock a lease whose question is locked; whether it is as it was: others were free to end it until then."""
        found = self.connection.execute(_LOCKED_LEASE, {"number": row.number}).one()
        return bool(found.state == row.state)

    def fits(self, row: Any, question: Any) -> bool:
        """Whether a question is of what the person chose; a known one may be of any run."""
        known = row.purpose in ("gold", "practice")
        return self.chosen.task in (None, question.task) and (known or self.chosen.run in (None, question.run))

    def something_new(self, before: int) -> Handed | None:
        """Hand out gold, a repeat, or what is wanted, each at its share."""
        chance, share = self.chance.number(), self.sharing
        special = None
        if chance < share.gold_share:
            special = self.known("gold", before)
        elif chance < share.gold_share + share.repeat_share:
            special = self.repeat(before)
        return special or self.work(before)

    def known(self, role: Literal["gold", "practice"], before: int) -> Handed | None:
        """Hand out a question whose answer is known, that this person has not had."""
        task = self.chosen.task
        if task is None and self.chosen.run is not None:
            task = self.connection.scalar(_TASK_OF_RUN, self.values)
        query = _known(task is not None)
        rows = self.connection.execute(query, {"person": self.person, "role": role, "the_task": task}).all()
        found = rows[0] if role == "practice" and rows else self.chance.pick(rows)
        return self.hand(found, role, before) if found is not None else None

    def repeat(self, before: int) -> Handed | None:
        """Ask once more what this person answered a while ago."""
        last = before - self.sharing.repeat_gap
        if last <= 0:
            return None
        values = {**self.values, "first": max(last - RECENT, 0), "last": last}
        found = self.chance.pick(self.connection.execute(_repeats(*self.flags), values).all())
        return self.hand(found, "repeat", before, turn=1) if found is not None else None

    def work(self, before: int) -> Handed | None:
        """Hand out a question that is wanted: one that is wanted again, or the first that this person has not had."""
        quiet = self.memory.quiet
        handed = None if quiet else self.wanted_again(before)
        handed = handed or self.reserve(_rest, before)
        if handed is None and quiet:
            handed = self.wanted_again(before)
        return handed

    def wanted_again(self, before: int) -> Handed | None:
        """Hand out a question that was full and is wanted again."""
        handed = self.reserve(_again, before)
        self.memory.looked(handed is not None)
        return handed

    def reserve(self, statement: "Callable[[bool, bool, bool], sa.Update]", before: int) -> Handed | None:
        """Hand out the first question that nobody else is just being given; only where all are, one to wait for."""
        if self.connection.dialect.name == "sqlite":
            found = self.connection.execute(statement(*self.flags, True), self.values).first()
            handed = self.hand(found, "work", before) if found is not None else None
        else:
            order = self.chance.shuffled(len(CLIP_NAMES))
            new = {**self.times(), "nth": before, "turn": 0, "purpose": "work", "counted": 0, "order": order}
            values = {**self.values, **{f"its_{name}": value for name, value in new.items()}}
            found = self.connection.execute(_leased(statement, *self.flags, True), values).first()
            if found is None and self.waits:
                found = self.connection.execute(_leased(statement, *self.flags, False), values).first()
            handed = self.handed(found) if found is not None else None
        if found is not None and statement is _rest and self.memory.is_far(self.person, self.chosen, found.number):
            self.remember_place()
        return handed

    def handed(self, row: Any) -> Handed:
        """Return what `_leased` handed out."""
        clips = self.memory.clips(self.connection, row)
        return Handed(row.lease, question_of(row._mapping, clips), order_of(row.shown), self.sharing.lease, "work")

    def remember_place(self) -> None:
        """Write down how far this person is: all before it was handed to them, or is not wanted."""
        first = self.connection.execute(wanted_by(self.chosen).limit(1), self.values).first()
        if first is None:
            return
        self.memory.note_place(self.person, self.chosen, first.number - 1)
        mine = (progress.c.annotator == self.person) & (progress.c.chosen == self.chosen.name)
        row = {"annotator": self.person, "chosen": self.chosen.name, "number": first.number - 1}
        if not add_new(self.connection, progress, row):
            self.connection.execute(sa.update(progress).where(mine).values(number=row["number"]))

    def left_before(self, have: tuple[int, ...]) -> Handed | None:
        """Hand out once more a question that this person had, did not answer in time and does not have any more."""
        rows = self.connection.execute(_left(*self.flags), self.values)
        found = next((row for row in rows if row.number not in have), None)
        if found is None:
            return None
        question = self.question(LOCKED_QUESTION, found)
        if not (question.wanted and self.unchanged(found)):  # somebody else was quicker
            return None
        count(self.connection, question, held=1)
        return self.hand_again(found, question)

    def hand(self, question: Any, purpose: Purpose, nth: int, *, turn: int = 0) -> Handed:
        """Write down a new lease and return it."""
        clips = self.memory.clips(self.connection, question)
        values = {"question_id": question.id, "annotator": self.person, "turn": turn, "purpose": purpose, "nth": nth}
        values |= {"shown": self.chance.shuffled(len(clips)), "counted": 0, **self.times()}
        lease = self.connection.execute(_NEW_LEASE, values).one()
        return handed_of(lease, question, clips, self.now)

    def hand_again(self, row: Any, question: Any) -> Handed:
        """Let a lease begin anew and return it."""
        clips = self.memory.clips(self.connection, question)
        values = {"shown": row.shown or self.chance.shuffled(len(clips)), **self.times()}
        change = sa.update(leases).where(leases.c.number == row.number).values(values).returning(leases)
        return handed_of(self.connection.execute(change).one(), question, clips, self.now)

    def times(self) -> dict[str, Any]:
        """Return what a lease that begins now holds."""
        return {"issued": self.now, "expires": self.now + self.sharing.lease, "state": "live"}


def end(connection: sa.Connection, rows: Sequence[Any]) -> None:
    """End live leases, which are locked and their questions too, and let others have the questions."""
    if not rows:
        return
    numbers = [row.number for row in rows]
    connection.execute(sa.update(leases).where(leases.c.number.in_(numbers)).values(state="expired"))
    fewer = Counter(row.question_id for row in rows if row.purpose == "work")
    for less in set(fewer.values()):
        connection.execute(_fewer(less).where(questions.c.id.in_([name for name in fewer if fewer[name] == less])))


def _fewer(less: int) -> sa.Update:
    """Let so many people fewer hold questions, which are locked, as `count` would."""
    held = questions.c.held - less
    room = (
        (questions.c.role == "work")
        & questions.c.withdrawn.is_(None)
        & (questions.c.given + held < questions.c.overlap)
    )
    again = room & ((questions.c.again == 1) | (questions.c.wanted == 0))
    values = {name: sa.case((true, 1), else_=0) for name, true in (("wanted", room), ("again", again))}
    return sa.update(questions).values(held=held, **values)


def segments_of(connection: sa.Connection, question: str) -> tuple[Segment, ...]:
    """Return the clips of a question."""
    return tuple(Segment(*row) for row in connection.execute(_SEGMENTS, {"question": question}))


def handed_of(lease: Any, question: Any, clips: tuple[Segment, ...], now: float) -> Handed:
    """Return a lease, with its question and clips, as it is handed out."""
    found = question_of(question._mapping, clips)
    return Handed(lease.number, found, order_of(lease.shown), max(lease.expires - now, 0.0), lease.purpose)


def wanted_by(chosen: Chosen) -> "sa.Select[Any]":
    """Return the statement that finds what waits for a person, who is bound as `person`, in what they chose."""
    return _waits(chosen.run is not None, chosen.task is not None)


_PERSON = bindparam("person", type_=sa.Text)
_NEW_LEASE = sa.insert(leases).returning(leases)
_QUESTION = sa.select(questions).where(questions.c.id == bindparam("question"))
_OPEN = sa.select(leases).where(leases.c.annotator == _PERSON, LIVE).order_by(leases.c.number)
_LOCKED_LEASE = sa.select(leases.c.state).where(leases.c.number == bindparam("number")).with_for_update()
_TASK_OF_RUN = sa.select(questions.c.task).where(questions.c.run == bindparam("the_run")).limit(1)
_SEGMENTS = sa.select(segments.c.episode_id, segments.c.start, segments.c.length)
_SEGMENTS = _SEGMENTS.where(segments.c.question_id == bindparam("question")).order_by(segments.c.position)
_NOT_HAD = ~sa.exists().where(leases.c.annotator == _PERSON, leases.c.question_id == questions.c.id, leases.c.turn == 0)


def _chosen(run: bool, task: bool, *, by_index: bool = True) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of what was chosen; SQLite uses no index for them where another one serves better."""
    both = ((questions.c.run, run, "the_run"), (questions.c.task, task, "the_task"))
    plain = [(column if by_index else column + "", name) for column, wanted, name in both if wanted]
    return [column == bindparam(name, type_=sa.Text) for column, name in plain]


def _held(query: "sa.Select[Any]", skip: bool) -> sa.Update:
    """Hold the first question that a query finds, locked, as `count` would, and return its row: one trip for three."""
    first = query.with_only_columns(questions.c.number).order_by(questions.c.number).limit(1)
    first = first.with_for_update(key_share=True, skip_locked=skip, of=questions).correlate(None)
    room = sa.case((questions.c.given + questions.c.held + 1 < questions.c.overlap, 1), else_=0)
    values = {"held": questions.c.held + 1, "wanted": room, "again": room * questions.c.again}
    return sa.update(questions).where(questions.c.number == first.scalar_subquery()).values(values).returning(questions)


@cache
def _leased(statement: "Callable[[bool, bool, bool], sa.Update]", run: bool, task: bool, skip: bool) -> Any:
    """Hold a question as `statement` does and write down the lease, in one trip to a server that can.

    The clips are shown in the order of `its_order`, which has all names of clips; those that the question lacks are
    left out. What is bound is named unlike any column, which an update would take it for.
    """
    held = statement(run, task, skip).cte("held")
    clips = sa.select(sa.func.count()).where(segments.c.question_id == held.c.id).scalar_subquery()
    beyond = sa.func.substr(CLIP_NAMES, sa.cast(clips, sa.Integer) + 1, type_=sa.Text)
    shown = sa.func.translate(bindparam("its_order", type_=sa.Text), beyond, "", type_=sa.Text)
    bound = ("state", "issued", "expires", "nth", "turn", "purpose", "counted")
    new: dict[str, Any] = {name: bindparam(f"its_{name}", type_=leases.c[name].type) for name in bound}
    new |= {"question_id": held.c.id, "annotator": _PERSON, "shown": shown}
    lease = sa.insert(leases).from_select(list(new), sa.select(*new.values())).returning(leases).cte("lease")
    both = sa.select(held, lease.c.number.label("lease"), lease.c.shown)
    return both.where(lease.c.question_id == held.c.id)


@cache
def _again(run: bool, task: bool, skip: bool) -> sa.Update:
    """Hold the first question that was full, is wanted again, and that the person has not had."""
    return _held(sa.select(questions).where(AGAIN, *_chosen(run, task, by_index=False), _NOT_HAD), skip)


@cache
def _rest(run: bool, task: bool, skip: bool) -> sa.Update:
    """Hold the first wanted question after the person's place that they have not had."""
    return _held(_waits(run, task), skip)


@cache
def _waits(run: bool, task: bool) -> "sa.Select[Any]":
    """Return the wanted questions after the person's place that they have not had."""
    mine = (progress.c.annotator == _PERSON) & (progress.c.chosen == bindparam("chosen", type_=sa.Text))
    place = sa.func.coalesce(sa.select(progress.c.number).where(mine).scalar_subquery(), 0)
    query = sa.select(questions).where(WANTED, questions.c.number > place)
    return query.where(*_chosen(run, task), _NOT_HAD).order_by(questions.c.number)


@cache
def _left(run: bool, task: bool) -> "sa.Select[Any]":
    """Return the first leases of the person that ran out, and whose questions are wanted."""
    query = sa.select(leases).join(questions, leases.c.question_id == questions.c.id)
    query = query.where(leases.c.annotator == _PERSON, LEFT, leases.c.turn == 0, WANTED, *_chosen(run, task))
    return query.order_by(leases.c.number).limit(2 * MOST_AT_ONCE)


@cache
def _known(task: bool) -> "sa.Select[Any]":
    """Return gold or practice questions that the person has not had."""
    query = sa.select(questions).join(gold, gold.c.question_id == questions.c.id)
    query = query.where(gold.c.retired == 0, questions.c.role == bindparam("role"), questions.c.withdrawn.is_(None))
    in_order = questions.c.number + 0  # else SQLite looks through all questions in their order to find the few
    return query.where(*_chosen(False, task), _NOT_HAD).order_by(in_order).limit(KNOWN)


@cache
def _repeats(run: bool, task: bool) -> "sa.Select[Any]":
    """Return questions that the person answered from the `first` to the `last` one handed to them, and only once."""
    asked = leases.alias()
    twice = sa.exists().where(
        asked.c.annotator == leases.c.annotator, asked.c.question_id == leases.c.question_id, asked.c.turn == 1
    )
    query = sa.select(questions).join(leases, leases.c.question_id == questions.c.id)
    query = query.where(leases.c.annotator == _PERSON, leases.c.nth.between(bindparam("first"), bindparam("last")))
    query = query.where(leases.c.turn == 0, leases.c.counted == 1, ~twice, questions.c.withdrawn.is_(None))
    return query.where(*_chosen(run, task))
