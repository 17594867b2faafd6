"""Assignment: choosing the next question for one annotator, in one transaction.

Questions come in the order in which they were added. Each person's place in that order is stored, and questions that
are needed again are looked up separately, so that finding the next one costs the same after a million answers.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.core.errors import BusyError
from robo_rlhf.core.types import Segment
from robo_rlhf.database.engine import add_new
from robo_rlhf.feedback.assignment import assign_sql as statements
from robo_rlhf.feedback.assignment.assign_cache import AssignmentCache
from robo_rlhf.feedback.assignment.assign_sql import MOST_AT_ONCE
from robo_rlhf.feedback.assignment.submission import LOCKED_QUESTION, count, ensure_annotator
from robo_rlhf.feedback.assignment.task_settings import Tasks
from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.records import Question, order_of, question_of
from robo_rlhf.feedback.tables import leases, progress, questions

RECENT = 500  # of a person's answers out of which one is asked once more

Purpose = Literal["work", "gold", "practice", "repeat"]


@dataclass(frozen=True)
class QuestionFilter:
    """The run and task that a person chose to work on; None for all."""

    run: str | None = None
    task: str | None = None

    @property
    def name(self) -> str:
        """The key under which the person's place in it is stored."""
        return json.dumps([self.run, self.task])

    @property
    def values(self) -> dict[str, str]:
        """The parameters of the statements' conditions."""
        return {name: value for name, value in (("the_run", self.run), ("the_task", self.task)) if value is not None}


@dataclass(frozen=True)
class AssignedQuestion:
    """A question that is assigned to a person for a time."""

    lease: int
    question: Question
    order: tuple[int, ...]  # the clips as they are to be shown: first the clip at place order[0] of the question
    seconds: float  # [s] that are left
    purpose: Purpose  # not to be shown to the person

    @property
    def shown(self) -> str:
        """The names of the clips in the order in which they are shown, such as "BA"."""
        return "".join(CLIP_NAMES[place] for place in self.order)


@dataclass(frozen=True)
class Randomness:
    """The random draws of assignment."""

    number: Callable[[], float]  # in [0, 1)
    shuffled: Callable[[int], str]  # the names of so many clips in any order
    pick: Callable[[Sequence[Any]], Any]  # one of the rows; None where there is none


class Assigner:
    """The assignment of one question to one person."""

    def __init__(
        self,
        connection: sa.Connection,
        person: str,
        chosen: QuestionFilter,
        tasks: Tasks,
        chance: Randomness,
        memory: AssignmentCache,
        now: float,
    ) -> None:
        """Assign to `person` within what they chose, by settings `tasks`; `now` is the time of the leases [s]."""
        self.connection, self.person, self.filter, self.memory = connection, person, chosen, memory
        self.tasks, self.chance, self.now = tasks, chance, now
        self.flags = (chosen.run is not None, chosen.task is not None)
        self.values = {"person": person, "chosen": chosen.name, **chosen.values}

    def next(self, have: tuple[int, ...], practice: bool, wait: bool) -> AssignedQuestion | None:
        """Return a question that the person has open already, or else a new one.

        Without `wait`, rows that other transactions have locked are skipped: then None may mean that there is more.
        """
        self.waits = wait
        before = ensure_annotator(self.connection, self.person, "human", handed=1)
        again = self.open_already(have, practice)
        handed = self.resume(again) if wait else None
        if handed is None and (wait or not again):
            new = self.known("practice", before, self.filter.task) if practice else self.something_new(before)
            if new is not None:
                return new
            handed = self.left_before(have) if wait and not practice else None
        ensure_annotator(self.connection, self.person, "human", handed=-1)  # nothing new was assigned after all
        return handed

    def open_already(self, have: tuple[int, ...], practice: bool) -> list[Any]:
        """Return the leases that the person has open, except those that the page has already."""
        rows = self.connection.execute(statements.OPEN, self.values).all()
        if sum(row.expires > self.now for row in rows) >= MOST_AT_ONCE:
            raise BusyError(f"The review of {self.person}", f"{len(rows)} questions are open and not answered")
        missing = [row for row in rows if row.number not in have and (row.purpose == "practice") == practice]
        return [row for row in missing if self.fits(row, self.question(statements.QUESTION, row))]

    def resume(self, rows: list[Any]) -> AssignedQuestion | None:
        """Return again the leases that the person has open."""
        for row in rows:
            question = self.question(LOCKED_QUESTION, row)
            if self.unchanged(row):
                if question.withdrawn is None:
                    return self.reassign(row, question)
                end(self.connection, [row])
        return None

    def question(self, statement: "sa.Select[Any]", lease: Any) -> Any:
        """Return the question of a lease."""
        return self.connection.execute(statement, {"question": lease.question_id}).one()

    def unchanged(self, row: Any) -> bool:
        """Lock a lease whose question is locked; whether it is as it was: others were free to end it until then."""
        found = self.connection.execute(statements.LOCKED_LEASE, {"number": row.number}).one()
        return bool(found.state == row.state)

    def fits(self, row: Any, question: Any) -> bool:
        """Whether a question is of what the person chose; a known one may be of any run."""
        known = row.purpose in ("gold", "practice")
        return self.filter.task in (None, question.task) and (known or self.filter.run in (None, question.run))

    def something_new(self, before: int) -> AssignedQuestion | None:
        """Assign gold, a repeat, or a wanted question, by the shares of the task whose turn it is."""
        task = self.task_in_turn()
        chance, share = self.chance.number(), self.tasks.sharing(task or "")
        special = None
        if chance < share.gold_share:
            special = self.known("gold", before, task)
        elif chance < share.gold_share + share.repeat_share:
            special = self.repeat(before, task)
        return special or self.work(before, task)

    def task_in_turn(self) -> str | None:
        """Return the task of the next question for this person; None where it makes no difference, or nothing waits."""
        if self.filter.task is not None or self.tasks.alike():
            return self.filter.task
        first = self.connection.execute(waiting_for(self.filter).limit(1), self.values).first()
        return first.task if first is not None else None

    def known(self, role: Literal["gold", "practice"], before: int, task: str | None) -> AssignedQuestion | None:
        """Assign a question whose answer is known, that this person has not had: of a task, where one is given."""
        if task is None and self.filter.run is not None:
            task = self.connection.scalar(statements.TASK_OF_RUN, self.values)
        query = statements.known(task is not None)
        rows = self.connection.execute(query, {"person": self.person, "role": role, "the_task": task}).all()
        found = rows[0] if role == "practice" and rows else self.chance.pick(rows)
        return self.assign(found, role, before) if found is not None else None

    def repeat(self, before: int, task: str | None) -> AssignedQuestion | None:
        """Ask once more what this person answered a while ago: of a task, where one is given."""
        last = before - self.tasks.sharing(task or "").repeat_gap
        if last <= 0:
            return None
        values = {**self.values, "first": max(last - RECENT, 0), "last": last, "the_task": task}
        query = statements.repeats(self.flags[0], task is not None)
        found = self.chance.pick(self.connection.execute(query, values).all())
        return self.assign(found, "repeat", before, turn=1) if found is not None else None

    def work(self, before: int, task: str | None) -> AssignedQuestion | None:
        """Assign a wanted question: one that is wanted again, or the first that this person has not had."""
        quiet = self.memory.nothing_reopened
        handed = None if quiet else self.wanted_again(before, task)
        handed = handed or self.reserve(statements.rest, before, task)
        if handed is None and quiet:
            handed = self.wanted_again(before, task)
        return handed

    def wanted_again(self, before: int, task: str | None) -> AssignedQuestion | None:
        """Assign a question that was full and is wanted again."""
        handed = self.reserve(statements.again_wanted, before, task)
        self.memory.note_reopened(handed is not None)
        return handed

    def reserve(
        self, statement: "Callable[[bool, bool, bool], sa.Update]", before: int, task: str | None
    ) -> AssignedQuestion | None:
        """Assign the first question that is not locked by another transaction; where all are, wait for one.

        It is most likely of `task`; where it is of another one, its lease lasts as long as that one says.
        """
        if self.connection.dialect.name == "sqlite":
            found = self.connection.execute(statement(*self.flags, True), self.values).first()
            handed = self.assign(found, "work", before) if found is not None else None
        else:
            order = self.chance.shuffled(len(CLIP_NAMES))
            new = {**self.times(task or ""), "nth": before, "turn": 0, "purpose": "work", "counted": 0, "order": order}
            values = {**self.values, **{f"its_{name}": value for name, value in new.items()}}
            found = self.connection.execute(statements.leased(statement, *self.flags, True), values).first()
            if found is None and self.waits:
                found = self.connection.execute(statements.leased(statement, *self.flags, False), values).first()
            handed = self.record_assigned(found, new["expires"]) if found is not None else None
        if found is None:
            return None
        if statement is statements.rest and self.memory.needs_new_place(self.person, self.filter, found.number):
            self.remember_place()
        return handed

    def record_assigned(self, row: Any, expires: float) -> AssignedQuestion:
        """Return what `statements.leased` assigned, with leases that end at `expires` [s]."""
        clips, times = self.memory.clips(self.connection, row), self.times(row.task)
        if times["expires"] != expires:
            self.connection.execute(sa.update(leases).where(leases.c.number == row.lease).values(times))
        seconds = times["expires"] - self.now
        return AssignedQuestion(row.lease, question_of(row._mapping, clips), order_of(row.shown), seconds, "work")

    def remember_place(self) -> None:
        """Store this person's place: all questions before it were assigned to them, or are not wanted."""
        first = self.connection.execute(waiting_for(self.filter).limit(1), self.values).first()
        if first is None:
            return
        self.memory.note_place(self.person, self.filter, first.number - 1)
        mine = (progress.c.annotator == self.person) & (progress.c.chosen == self.filter.name)
        row = {"annotator": self.person, "chosen": self.filter.name, "number": first.number - 1}
        if not add_new(self.connection, progress, row):
            self.connection.execute(sa.update(progress).where(mine).values(number=row["number"]))

    def left_before(self, have: tuple[int, ...]) -> AssignedQuestion | None:
        """Assign again a question that this person had, did not answer in time and does not have any more."""
        rows = self.connection.execute(statements.left(*self.flags), self.values)
        found = next((row for row in rows if row.number not in have), None)
        if found is None:
            return None
        question = self.question(LOCKED_QUESTION, found)
        if not (question.wanted and self.unchanged(found)):  # another process was quicker
            return None
        count(self.connection, question, held=1)
        return self.reassign(found, question)

    def assign(self, question: Any, purpose: Purpose, nth: int, *, turn: int = 0) -> AssignedQuestion:
        """Store a new lease and return it."""
        clips = self.memory.clips(self.connection, question)
        values = {"question_id": question.id, "annotator": self.person, "turn": turn, "purpose": purpose, "nth": nth}
        values |= {"shown": self.chance.shuffled(len(clips)), "counted": 0, **self.times(question.task)}
        lease = self.connection.execute(statements.NEW_LEASE, values).one()
        return assigned_of(lease, question, clips, self.now)

    def reassign(self, row: Any, question: Any) -> AssignedQuestion:
        """Let a lease begin anew and return it."""
        clips = self.memory.clips(self.connection, question)
        values = {"shown": row.shown or self.chance.shuffled(len(clips)), **self.times(question.task)}
        change = sa.update(leases).where(leases.c.number == row.number).values(values).returning(leases)
        return assigned_of(self.connection.execute(change).one(), question, clips, self.now)

    def times(self, task: str) -> dict[str, Any]:
        """Return what a lease of a question of a task that begins now holds."""
        return {"issued": self.now, "expires": self.now + self.tasks.sharing(task).lease, "state": "live"}


def end(connection: sa.Connection, rows: Sequence[Any]) -> None:
    """End live leases, which are locked and their questions too, and let others have the questions."""
    if not rows:
        return
    numbers = [row.number for row in rows]
    connection.execute(sa.update(leases).where(leases.c.number.in_(numbers)).values(state="expired"))
    freed = Counter(row.question_id for row in rows if row.purpose == "work")
    for less in set(freed.values()):
        theirs = questions.c.id.in_([name for name in freed if freed[name] == less])
        connection.execute(statements.fewer(less).where(theirs))


def segments_of(connection: sa.Connection, question: str) -> tuple[Segment, ...]:
    """Return the clips of a question."""
    return tuple(Segment(*row) for row in connection.execute(statements.SEGMENTS, {"question": question}))


def assigned_of(lease: Any, question: Any, clips: tuple[Segment, ...], now: float) -> AssignedQuestion:
    """Return a lease with its question and clips, as sent to the person."""
    found = question_of(question._mapping, clips)
    return AssignedQuestion(lease.number, found, order_of(lease.shown), max(lease.expires - now, 0.0), lease.purpose)


def waiting_for(chosen: QuestionFilter) -> "sa.Select[Any]":
    """Return the statement that finds the waiting questions of a person, bound as `person`, in what they chose."""
    return statements.waits(chosen.run is not None, chosen.task is not None)
