"""Who is asked what next: a question is handed to a person for a time.

- Nobody is asked what they have answered, but for a share of questions that are asked once more on purpose.
- A question is never handed to more people than its overlap, those who have answered it included.
- A lease that runs out goes to somebody else. To the same person it comes back only where there is nothing else for
  them, so that a person who works alone and goes for lunch can finish.
- A share of what is handed out is gold: questions whose answer is known, mixed in unseen.
- The order of the clips on the screen is drawn anew for each person and stored.

Questions come in the order in which they were added. Where a person is in that order is remembered, and questions that
become wanted once more are looked for apart, so that finding the next one costs the same after a million answers.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from robo_rlhf.errors import BusyError, NotFoundError
from robo_rlhf.feedback.clock import LeaseClock
from robo_rlhf.feedback.database import Database
from robo_rlhf.feedback.engine import add_new
from robo_rlhf.feedback.kinds.base import CLIP_NAMES
from robo_rlhf.feedback.records import Question, order_of, question_of
from robo_rlhf.feedback.submission import count, introduce, lock_question
from robo_rlhf.feedback.tables import gold, leases, progress, questions, segments
from robo_rlhf.feedback.tasks import Sharing, Tasks
from robo_rlhf.types import Segment

MOST_AT_ONCE = 10  # questions that one person has in front of them
TRIES = 3  # to get one of them
CANDIDATES = 64  # looked at for one that nobody else is just being given
MARK_EVERY = 32  # questions passed over until a person's place is written down
RECENT = 500  # of a person's answers out of which one is asked once more
SWEEP = 200  # leases that are ended at once

_WANTED = sa.text("questions.wanted = 1")
_AGAIN = sa.text("questions.wanted = 1 AND questions.again = 1")
_LIVE, _LEFT = sa.text("leases.state = 'live'"), sa.text("leases.state = 'expired'")


@dataclass(frozen=True)
class Chosen:
    """What a person chose to work on; None for everything."""

    run: str | None = None
    task: str | None = None

    @property
    def name(self) -> str:
        """What the person's place in it is remembered by."""
        return json.dumps([self.run, self.task])

    def where(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on questions."""
        both = ((questions.c.run, self.run), (questions.c.task, self.task))
        return [column == wanted for column, wanted in both if wanted is not None]


@dataclass(frozen=True)
class Handed:
    """A question in somebody's hands."""

    lease: int
    question: Question
    order: tuple[int, ...]  # the clips as they are to be shown: first the clip at place order[0] of the question
    seconds: float  # [s] that are left
    purpose: str  # work, gold, practice or repeat; not for the eyes of the person

    @property
    def shown(self) -> str:
        """The names of the clips in the order in which they are shown, such as "BA"."""
        return "".join(CLIP_NAMES[place] for place in self.order)


class Leases:
    """Handing out questions. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database, clock: LeaseClock, tasks: Tasks, rng: random.Random | None = None) -> None:
        """Hand out what is in `database`, for as long and in the shares that `tasks` says."""
        self._database, self._clock, self._tasks = database, clock, tasks
        self._rng = rng or random.Random()
        with database.read() as connection:
            newest = connection.scalar(sa.select(sa.func.max(leases.c.issued)).where(_LIVE))
        clock.catch_up(newest or 0.0)

    def next(
        self, person: str, chosen: Chosen = Chosen(), *, have: Sequence[int] = (), practice: bool = False
    ) -> Handed | None:
        """Hand out the next question; None where there is none for this person.

        Args:
            person: who asks.
            chosen: what they chose to work on.
            have: leases that the person's page has already. A live one that is not among them is handed out again: a
                page that was loaded anew goes on where it was.
            practice: a practice question instead of a real one.

        Raises:
            BusyError: the person has too many questions open, or the database cannot be reached.
        """
        self.end_overdue()
        sharing = self._tasks.sharing(chosen.task or "")
        return self._database.write(lambda c: _Hand(c, self, person, chosen, sharing, practice).next(tuple(have)))

    def release(self, lease: int, person: str) -> None:
        """Give a question back unanswered; others get it, and the person only where there is nothing else.

        Raises:
            NotFoundError: the person has no such lease.
        """

        def work(connection: sa.Connection) -> None:
            mine = (leases.c.number == lease) & (leases.c.annotator == person)
            row = connection.execute(sa.select(leases).where(mine).with_for_update()).one_or_none()
            if row is None:
                raise NotFoundError("lease", lease, f"It is not one of {person}.")
            if row.state == "live":
                _end(connection, [row])

        self._database.write(work)

    def renew(self, lease: int, person: str) -> float:
        """Let a live lease last its whole time from now, and return it [s]; 0 where it has run out."""

        def work(connection: sa.Connection) -> float:
            mine = (leases.c.number == lease) & (leases.c.annotator == person)
            row = connection.execute(sa.select(leases).where(mine, _LIVE).with_for_update()).one_or_none()
            if row is None:
                return 0.0
            now, life = self.now(), row.expires - row.issued
            values = {"issued": now, "expires": now + life}
            connection.execute(sa.update(leases).where(leases.c.number == lease).values(values))
            return float(life)

        return self._database.write(work)

    def held_by(self, person: str) -> list[Handed]:
        """Return the questions that a person has in front of them, oldest first."""
        query = sa.select(leases).where(leases.c.annotator == person, _LIVE).order_by(leases.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            return [_handed(connection, row, self.now()) for row in rows]

    def end_overdue(self) -> int:
        """End the leases that have run out, and return how many."""
        overdue = sa.select(leases.c.number).where(_LIVE, leases.c.expires <= self.now())
        with self._database.read() as connection:
            if connection.scalar(overdue.limit(1)) is None:
                return 0

        def work(connection: sa.Connection) -> int:
            query = sa.select(leases).where(_LIVE, leases.c.expires <= self.now()).order_by(leases.c.expires)
            rows = connection.execute(query.limit(SWEEP).with_for_update(skip_locked=True)).all()
            _end(connection, rows)
            return len(rows)

        return self._database.write(work)

    def now(self) -> float:
        """Return the time of the leases [s]."""
        return self._clock.now()

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        return self._rng.random()

    def shuffled(self, clips: int) -> str:
        """Return the names of so many clips in an order drawn at random."""
        return "".join(self._rng.sample(CLIP_NAMES[:clips], clips))

    def pick(self, rows: Sequence[Any]) -> Any:
        """Return one of the rows, drawn at random; None where there is none."""
        return self._rng.choice(rows) if rows else None


class _Hand:
    """One person's turn, in one transaction."""

    def __init__(
        self, connection: sa.Connection, giver: Leases, person: str, chosen: Chosen, sharing: Sharing, practice: bool
    ) -> None:
        self.connection, self.giver, self.person, self.chosen = connection, giver, person, chosen
        self.sharing, self.practice, self.now = sharing, practice, giver.now()

    def next(self, have: tuple[int, ...]) -> Handed | None:
        before = introduce(self.connection, self.person, "human")
        return self.open_already(have) or self.something_new(before)

    def open_already(self, have: tuple[int, ...]) -> Handed | None:
        query = sa.select(leases).where(leases.c.annotator == self.person, _LIVE).order_by(leases.c.number)
        rows = self.connection.execute(query).all()
        if len(rows) >= MOST_AT_ONCE:
            raise BusyError(f"The review of {self.person}", f"{len(rows)} questions are open and not answered")
        for row in rows:
            if row.number not in have and (row.purpose == "practice") == self.practice:
                handed = self.renewed(row)
                if handed is not None:
                    return handed
        return None

    def renewed(self, row: Any) -> Handed | None:
        """Hand out a lease of this person again, unless its question is not asked any more."""
        withdrawn = sa.select(questions.c.withdrawn).where(questions.c.id == row.question_id)
        if self.connection.scalar(withdrawn) is None:
            return self.hand_again(row)
        _end(self.connection, [row])
        return None

    def something_new(self, before: int) -> Handed | None:
        if self.practice:
            return self.known("practice", before)
        chance, share = self.giver.chance(), self.sharing
        if chance < share.gold_share:
            return self.known("gold", before) or self.work(before)
        if chance < share.gold_share + share.repeat_share:
            return self.repeat(before) or self.work(before)
        return self.work(before)

    def known(self, role: str, before: int) -> Handed | None:
        """Hand out a question whose answer is known, that this person has not had."""
        task = self.chosen.task
        if task is None and self.chosen.run is not None:
            of_run = sa.select(questions.c.task).where(questions.c.run == self.chosen.run).limit(1)
            task = self.connection.scalar(of_run)
        query = sa.select(questions.c.id).join(gold, gold.c.question_id == questions.c.id)
        query = query.where(gold.c.retired == 0, questions.c.role == role, questions.c.withdrawn.is_(None))
        query = query.where(questions.c.task == task) if task is not None else query
        ids = self.connection.scalars(query.where(self.not_had()).order_by(questions.c.number).limit(100)).all()
        found = ids[0] if role == "practice" and ids else self.giver.pick(ids)
        return self.hand(found, role, before) if found is not None else None

    def repeat(self, before: int) -> Handed | None:
        """Ask once more what this person answered a while ago."""
        last = before - self.sharing.repeat_gap
        if last <= 0:
            return None
        asked = leases.alias()
        twice = sa.exists().where(
            asked.c.annotator == leases.c.annotator, asked.c.question_id == leases.c.question_id, asked.c.turn == 1
        )
        query = sa.select(leases.c.question_id).join(questions, questions.c.id == leases.c.question_id)
        query = query.where(leases.c.annotator == self.person, leases.c.nth.between(max(last - RECENT, 0), last))
        query = query.where(leases.c.turn == 0, leases.c.counted == 1, ~twice, questions.c.withdrawn.is_(None))
        found = self.giver.pick(self.connection.scalars(query.where(*self.chosen.where())).all())
        return self.hand(found, "repeat", before, turn=1) if found is not None else None

    def work(self, before: int) -> Handed | None:
        """Hand out a question that is wanted: again, for the first time, or once more to this person."""
        number = questions.c.number
        again = sa.select(number).where(_AGAIN, *self.chosen.where(), self.not_had()).order_by(number)
        found = self.reserve(self.connection.scalars(again.limit(CANDIDATES)).all())
        found = found or self.first_of_the_rest()
        if found is None:
            return self.left_before()
        count(self.connection, found, held=1)
        return self.hand(found.id, "work", before)

    def first_of_the_rest(self) -> Any:
        mine = (progress.c.annotator == self.person) & (progress.c.chosen == self.chosen.name)
        place = self.connection.scalar(sa.select(progress.c.number).where(mine))
        number = questions.c.number
        query = sa.select(number).where(_WANTED, number > (place or 0), *self.chosen.where(), self.not_had())
        numbers = self.connection.scalars(query.order_by(number).limit(CANDIDATES)).all()
        if numbers and numbers[0] > (place or 0) + MARK_EVERY:
            values = {"number": numbers[0] - 1}  # those before it were handed to this person, or are not wanted
            if place is None:
                row = {"annotator": self.person, "chosen": self.chosen.name, **values}
                add_new(self.connection, progress, row)
            else:
                self.connection.execute(sa.update(progress).where(mine).values(values))
        return self.reserve(numbers)

    def left_before(self) -> Handed | None:
        """Hand out once more a question that this person had and did not answer in time."""
        query = sa.select(questions.c.number).join(leases, leases.c.question_id == questions.c.id)
        query = query.where(leases.c.annotator == self.person, _LEFT, leases.c.turn == 0)
        query = query.where(_WANTED, *self.chosen.where()).order_by(leases.c.number)
        found = self.reserve(self.connection.scalars(query.limit(CANDIDATES)).all())
        if found is None:
            return None
        count(self.connection, found, held=1)
        mine = (leases.c.annotator == self.person) & (leases.c.question_id == found.id) & (leases.c.turn == 0)
        return self.hand_again(self.connection.execute(sa.select(leases).where(mine)).one())

    def reserve(self, numbers: Sequence[int]) -> Any:
        """Return the row of the first question that nobody else is just being given; wait only where all are."""
        if not numbers:
            return None
        query = sa.select(questions).where(questions.c.number.in_(numbers), _WANTED).order_by(questions.c.number)
        for skip in (True, False) * TRIES:
            lock = query.limit(1).with_for_update(key_share=True, skip_locked=skip)
            found = self.connection.execute(lock).one_or_none()
            if found is not None:
                return found
        return None

    def not_had(self) -> sa.ColumnElement[bool]:
        """Questions that were never handed to this person."""
        same = (leases.c.annotator == self.person) & (leases.c.question_id == questions.c.id)
        return ~sa.exists().where(same, leases.c.turn == 0)

    def hand(self, question: str, purpose: str, nth: int, *, turn: int = 0) -> Handed:
        """Write down a new lease and return it."""
        introduce(self.connection, self.person, "human", handed=1)
        clips = _segments(self.connection, question)
        values = {"question_id": question, "annotator": self.person, "turn": turn, "purpose": purpose, "nth": nth}
        values |= {"shown": self.giver.shuffled(len(clips)), "counted": 0, **self.times()}
        lease = self.connection.execute(sa.insert(leases).values(values).returning(leases)).one()
        return _handed(self.connection, lease, self.now, clips)

    def hand_again(self, row: Any) -> Handed:
        """Let a lease begin anew and return it."""
        shown = row.shown or self.giver.shuffled(len(_segments(self.connection, row.question_id)))
        change = sa.update(leases).where(leases.c.number == row.number).values(shown=shown, **self.times())
        return _handed(self.connection, self.connection.execute(change.returning(leases)).one(), self.now)

    def times(self) -> dict[str, Any]:
        return {"issued": self.now, "expires": self.now + self.sharing.lease, "state": "live"}


def _end(connection: sa.Connection, rows: Sequence[Any]) -> None:
    """End live leases, whose rows are locked, and let others have their questions."""
    if not rows:
        return
    numbers = [row.number for row in rows]
    connection.execute(sa.update(leases).where(leases.c.number.in_(numbers)).values(state="expired"))
    for question in sorted(row.question_id for row in rows if row.purpose == "work"):
        count(connection, lock_question(connection, question), held=-1)


def _segments(connection: sa.Connection, question: str) -> tuple[Segment, ...]:
    columns = (segments.c.episode_id, segments.c.start, segments.c.length)
    query = sa.select(*columns).where(segments.c.question_id == question).order_by(segments.c.position)
    return tuple(Segment(*row) for row in connection.execute(query))


def _handed(connection: sa.Connection, lease: Any, now: float, clips: tuple[Segment, ...] = ()) -> Handed:
    query = sa.select(questions).where(questions.c.id == lease.question_id)
    row = connection.execute(query).mappings().one()
    question = question_of(row, clips or _segments(connection, lease.question_id))
    return Handed(lease.number, question, order_of(lease.shown), max(lease.expires - now, 0.0), lease.purpose)
