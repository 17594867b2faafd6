"""Leases: a question is assigned to a person for a time.

- A person is not asked again what they have answered, except for a share of questions that are repeated on purpose.
- A question is never assigned to more people than its overlap, those who have answered it included.
- A question whose lease runs out goes to another person. It returns to the same person only where there is nothing
  else for them, so that a person who works alone and goes for lunch can finish.
- A share of the assigned questions is gold: their answer is known, and annotators cannot recognise them.
- The order of the clips on the screen is drawn anew for each person and stored.
"""

import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.database.group_commit import Work
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.assignment.assign import (
    AssignedQuestion,
    Assigner,
    QuestionFilter,
    Randomness,
    assigned_of,
    end,
    segments_of,
)
from robo_rlhf.feedback.assignment.assign_cache import AssignmentCache
from robo_rlhf.feedback.assignment.assign_sql import LIVE
from robo_rlhf.feedback.assignment.lease_clock import LeaseClock
from robo_rlhf.feedback.assignment.submission import LOCKED_QUESTION
from robo_rlhf.feedback.assignment.task_settings import Tasks
from robo_rlhf.feedback.question_kind import CLIP_NAMES
from robo_rlhf.feedback.rights.consent import Consents
from robo_rlhf.feedback.tables import leases, questions

SWEEP = 200  # leases that are ended at once
ASSIGNMENT_QUEUE = "handing"  # the line that skips locked rows, and so never waits
SWEEP_EVERY = 0.5  # [s] between checks for leases that have run out

EVERYTHING = QuestionFilter()


class Leases:
    """Assignment of questions. Safe to use from several threads and processes at once."""

    def __init__(
        self,
        database: Database,
        clock: LeaseClock,
        tasks: Tasks,
        rng: random.Random | None = None,
        consents: Consents | None = None,
    ) -> None:
        """Assign the questions in `database`, with the durations and shares set in `tasks`."""
        self._database, self._clock, self._tasks = database, clock, tasks
        self._consents = consents or Consents(database)
        rng = rng or random.Random()
        self._chance = Randomness(
            number=rng.random,
            shuffled=lambda clips: "".join(rng.sample(CLIP_NAMES[:clips], clips)),
            pick=lambda rows: rng.choice(rows) if rows else None,
        )
        self._memory = AssignmentCache()
        self._swept = (0.0, 0.0)  # when expired leases were last checked for: real time, time of the leases
        with database.read() as connection:
            newest = connection.scalar(sa.select(sa.func.max(leases.c.issued)).where(LIVE))
        clock.catch_up(newest or 0.0)

    def next(
        self, person: str, chosen: QuestionFilter = EVERYTHING, *, have: Sequence[int] = (), practice: bool = False
    ) -> AssignedQuestion | None:
        """Assign the next question; None where there is none for this person.

        Args:
            person: the annotator.
            chosen: what they chose to work on.
            have: leases that the person's page has already. A live one that is not among them is assigned again: a
                reloaded page continues where it was. One among them that ran out is not: it can be answered late.
            practice: a practice question instead of a real one.

        Raises:
            BusyError: the person has too many questions open, or the database cannot be reached.
        """
        if self._sweeps():
            self.end_overdue()
        return self._database.write(self._assigner(person, chosen, have, practice))

    async def next_async(
        self, person: str, chosen: QuestionFilter = EVERYTHING, *, have: Sequence[int] = (), practice: bool = False
    ) -> AssignedQuestion | None:
        """Assign the next question as `next` does, in an event loop."""
        if self._sweeps():
            await self._database.write_async(self._end_overdue, line=ASSIGNMENT_QUEUE)
        turn = partial(self._assigner, person, chosen, have, practice)
        handed = await self._database.write_async(
            turn(wait=not self._database.shared), line=ASSIGNMENT_QUEUE, of=person
        )
        if handed is None and self._database.shared:
            return await self._database.write_async(turn(wait=True), line=ASSIGNMENT_QUEUE, of=person, alone=True)
        return handed

    def _sweeps(self) -> bool:
        """Whether it is time to check for leases that have run out."""
        real, now = time.monotonic(), self._clock.now()
        if real <= self._swept[0] + SWEEP_EVERY and now <= self._swept[1] + SWEEP_EVERY:
            return False
        self._swept = (real, now)
        return True

    def _assigner(
        self, person: str, chosen: QuestionFilter, have: Sequence[int], practice: bool, *, wait: bool = True
    ) -> Work[AssignedQuestion | None]:
        def work(connection: sa.Connection) -> AssignedQuestion | None:
            self._consents.require(connection, person)
            turn = Assigner(connection, person, chosen, self._tasks, self._chance, self._memory, self._clock.now())
            return turn.next(tuple(have), practice, wait)

        return work

    def release(self, lease: int, person: str) -> None:
        """Give a question back unanswered; others get it, and the person only where there is nothing else.

        Raises:
            NotFoundError: the person has no such lease.
        """

        def work(connection: sa.Connection) -> None:
            mine = (leases.c.number == lease) & (leases.c.annotator == person)
            question = connection.scalar(sa.select(leases.c.question_id).where(mine))
            if question is None:
                raise NotFoundError("lease", lease, f"It is not one of {person}.")
            connection.execute(LOCKED_QUESTION, {"question": question})
            end(connection, connection.execute(sa.select(leases).where(mine, LIVE).with_for_update()).all())

        self._database.write(work)

    def renew(self, lease: int, person: str) -> float:
        """Let a live lease last its whole time from now, and return it [s]; 0 where it has run out."""

        def work(connection: sa.Connection) -> float:
            mine = (leases.c.number == lease) & (leases.c.annotator == person)
            row = connection.execute(sa.select(leases).where(mine, LIVE).with_for_update()).one_or_none()
            if row is None:
                return 0.0
            now, life = self._clock.now(), row.expires - row.issued
            values = {"issued": now, "expires": now + life}
            connection.execute(sa.update(leases).where(leases.c.number == lease).values(values))
            return float(life)

        return self._database.write(work)

    def held_by(self, person: str) -> list[AssignedQuestion]:
        """Return the questions that a person has open, oldest first."""
        query = sa.select(leases).where(leases.c.annotator == person, LIVE).order_by(leases.c.number)
        now = self._clock.now()

        def handed(connection: sa.Connection, row: Any) -> AssignedQuestion:
            question = connection.execute(sa.select(questions).where(questions.c.id == row.question_id)).one()
            return assigned_of(row, question, segments_of(connection, row.question_id), now)

        with self._database.read() as connection:
            return [handed(connection, row) for row in connection.execute(query).all()]

    def end_overdue(self) -> int:
        """End leases that have run out, and return how many."""
        with self._database.read() as connection:
            if not self._overdue(connection):
                return 0
        return self._database.write(self._end_overdue)

    def _overdue(self, connection: sa.Connection) -> bool:
        late = sa.select(leases.c.number).where(LIVE, leases.c.expires <= self._clock.now())
        return connection.scalar(late.limit(1)) is not None

    def _end_overdue(self, connection: sa.Connection) -> int:
        if not self._overdue(connection):
            return 0
        late = sa.select(leases).where(LIVE, leases.c.expires <= self._clock.now())
        some = connection.execute(late.order_by(leases.c.expires).limit(SWEEP)).all()
        asked = sa.select(questions.c.id).where(questions.c.id.in_({row.question_id for row in some}))
        asked = asked.order_by(questions.c.id).with_for_update(key_share=True, skip_locked=True)
        free = connection.scalars(asked).all()  # the others are looked after next time
        late = late.where(leases.c.number.in_([row.number for row in some]), leases.c.question_id.in_(free))
        rows = connection.execute(late.with_for_update()).all()
        end(connection, rows)
        return len(rows)
