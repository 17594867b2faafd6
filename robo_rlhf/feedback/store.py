"""The feedback database: questions, and answers that are only ever appended.

`Store.answer` is the only way in for answers, for people and for simulated teachers alike. What it has returned from is
on the disk. The newest answer of a person to a question wins, so history stays and undoing is one more row.
SQLite by default, PostgreSQL by URL; the same code for both.
"""

import json
import random
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.database.migrate import prepare
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.assignment.add_questions import QuestionWriter
from robo_rlhf.feedback.assignment.gold import Gold
from robo_rlhf.feedback.assignment.lease_clock import LeaseClock
from robo_rlhf.feedback.assignment.leases import Leases
from robo_rlhf.feedback.assignment.quarantine import ClipStates
from robo_rlhf.feedback.assignment.submission import SubmissionResult, SubmittedAnswer, write_answer
from robo_rlhf.feedback.assignment.task_settings import Tasks
from robo_rlhf.feedback.live_signal.signals import Signals
from robo_rlhf.feedback.notes import Notes, Rounds
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.records import (
    COUNTED,
    AnnotatorKind,
    Answer,
    Counts,
    Question,
    Role,
    Standing,
    answer_of,
    question_id,
    question_of,
)
from robo_rlhf.feedback.rights.consent import Consents
from robo_rlhf.feedback.tables import answers, progress, questions, segments
from robo_rlhf.webhooks.queue import Webhooks

__all__ = ["AnnotatorKind", "Answer", "Counts", "Question", "Standing", "Store", "SubmissionResult", "question_id"]


class Store:
    """The feedback database. Safe to use from several threads and processes at once.

    `leases` hands questions out; `clips`, `gold`, `tasks`, `signals`, `notes`, `rounds`, `webhooks` and `consents` hold
    what their names say.
    """

    def __init__(self, where: str | Path, *, clock: LeaseClock | None = None, rng: random.Random | None = None) -> None:
        """Open or create the database at `where`: the path of an SQLite file, or a URL such as postgresql://host/name.

        Args:
            where: the database. One of an earlier version is migrated; a copy of it is kept.
            clock: the time of the leases.
            rng: the source of chance in handing out questions.

        Raises:
            CorruptFileError: the file is not a database.
            VersionError: the database was made by a later version of this program.
            MissingDependencyError: the driver for the URL is not installed.
        """
        self.database = Database(where)
        self.name = self.database.name
        try:
            prepare(self.database.engine, self.name)
        except BaseException:
            self.close()
            raise
        self._clock, self._rng = clock or LeaseClock(), rng
        self.clips, self.gold, self.tasks = ClipStates(self.database), Gold(self.database), Tasks(self.database)
        self.signals, self.notes, self.rounds = Signals(self.database), Notes(self.database), Rounds(self.database)
        self.webhooks, self.consents = Webhooks(self.database), Consents(self.database)

    @cached_property
    def leases(self) -> Leases:
        """Assignment of questions to annotators."""
        return Leases(self.database, self._clock, self.tasks, self._rng, self.consents)

    def close(self) -> None:
        """Release all connections."""
        self.database.close()

    def __enter__(self) -> "Store":
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def add_questions(self, new: Iterable[Question]) -> int:
        """Add questions and return how many of them were new; those that are there already are left as they are.

        Raises:
            UnknownNameError: there is no such kind of question.
            InvalidValueError: the kind does not go with that many clips.
            ConflictError: another question has the same id; nothing was added.
        """
        return self.database.write(QuestionWriter(new).write)

    def answer(
        self,
        question: str,
        annotator: str,
        value: AnswerValue | None,
        *,
        key: str,
        annotator_kind: AnnotatorKind = "human",
        response_time: float | None = None,
        lease: int | None = None,
    ) -> bool:
        """Store the answer of `annotator` to `question`; return whether it is a new row: see `submit`."""
        sent = SubmittedAnswer(question, annotator, annotator_kind, value, key, response_time, lease, None)
        return self.submit(sent).new

    def submit(self, sent: SubmittedAnswer) -> SubmissionResult:
        """Store an answer and return its outcome.

        When this returns, the answer is on the disk. Sending it again with the same idempotency key changes nothing.
        A value of None takes the annotator's earlier answer back. Whether it counts: see `submission`.

        Raises:
            NotFoundError: there is no such question, or no such lease.
            InvalidValueError: it is no answer to a question of this kind.
            ConflictError: the key was used by this annotator for something else.
        """
        sent.check()
        return self.database.write(partial(self._write_answer, sent))

    async def submit_async(self, sent: SubmittedAnswer) -> SubmissionResult:
        """Store an answer as `submit` does, in an event loop."""
        sent.check()
        work = partial(self._write_answer, sent)
        if sent.lease is None:  # then the row of the person is locked as well, and others may be locked after it
            return await self.database.write_async(work)
        return await self.database.write_async(work, line="answers", of=sent.question)

    def _write_answer(self, sent: SubmittedAnswer, connection: sa.Connection) -> SubmissionResult:
        return write_answer(connection, sent, self._clock.now())

    def questions(
        self,
        run: str | None = None,
        round: int | None = None,
        *,
        unanswered_by: str | None = None,
        unanswered: bool = False,
        ids: Sequence[str] | None = None,
        role: Role | None = None,
        limit: int | None = None,
    ) -> list[Question]:
        """Return questions in the order in which they were added.

        Args:
            run: only of this run.
            round: only of this round.
            unanswered_by: only those that this annotator has not answered.
            unanswered: only those without an answer that were not withdrawn.
            ids: only these.
            role: only of this role.
            limit: at most so many.
        """
        query = sa.select(questions).order_by(questions.c.number)
        query = query.where(questions.c.run == run) if run is not None else query
        query = query.where(questions.c.round == round) if round is not None else query
        query = query.where(questions.c.id.in_(ids)) if ids is not None else query
        query = query.where(questions.c.role == role) if role is not None else query
        if unanswered_by is not None:
            query = query.where(~_answered(answers.c.annotator == unanswered_by))
        if unanswered:
            query = query.where(questions.c.given == 0, questions.c.withdrawn.is_(None))
        chosen = (query.limit(limit) if limit is not None else query).subquery()
        with self.database.read() as connection:
            rows = connection.execute(sa.select(chosen).order_by(chosen.c.number)).mappings().all()
            pair = sa.select(segments).join(chosen, segments.c.question_id == chosen.c.id)
            clips_of: dict[str, list[Segment]] = {}
            for clip in connection.execute(pair.order_by(segments.c.position)).mappings():
                segment = Segment(clip["episode_id"], clip["start"], clip["length"])
                clips_of.setdefault(clip["question_id"], []).append(segment)
        return [question_of(row, tuple(clips_of.get(row["id"], ()))) for row in rows]

    def answers(
        self,
        run: str | None = None,
        round: int | None = None,
        *,
        standing: Sequence[Standing] = COUNTED,
        role: Role | None = None,
    ) -> list[Answer]:
        """Return the newest answer of each annotator to each question, oldest first; those taken back are left out.

        Args:
            run: only to questions of this run.
            round: only to questions of this round.
            standing: only those that stand so: see `records.Standing`.
            role: only to questions of this role.
        """
        query = sa.select(answers).where(_newest(standing), answers.c.value.is_not(None)).order_by(answers.c.number)
        columns = ((questions.c.run, run), (questions.c.round, round), (questions.c.role, role))
        wanted = [column == value for column, value in columns if value is not None]
        if wanted:
            query = query.join(questions, questions.c.id == answers.c.question_id).where(*wanted)
        with self.database.read() as connection:
            return [answer_of(row) for row in connection.execute(query).mappings()]

    def history(self, annotator: str, *, limit: int = 50) -> list[tuple[str, AnswerValue | None, str]]:
        """Return an annotator's submissions, newest first: question, answer (None where taken back), and when."""
        query = sa.select(answers.c.question_id, answers.c.value, answers.c.answered)
        query = query.where(answers.c.annotator == annotator).order_by(answers.c.number.desc()).limit(limit)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return [(row.question_id, json.loads(row.value) if row.value else None, row.answered) for row in rows]

    def withdrawn(self, run: str) -> dict[str, str]:
        """Return why questions of a run without an answer are asked no more, by id."""
        query = sa.select(questions.c.id, questions.c.withdrawn).order_by(questions.c.number)
        query = query.where(questions.c.run == run, questions.c.given == 0, questions.c.withdrawn.is_not(None))
        with self.database.read() as connection:
            return {row.id: row.withdrawn for row in connection.execute(query)}

    def mark(self) -> int:
        """Return a number that grows with every answer: whether there is anything new costs next to nothing."""
        with self.database.read() as connection:
            return connection.scalar(sa.select(sa.func.max(answers.c.number))) or 0

    def counts(self, run: str | None = None, round: int | None = None) -> Counts:
        """Return how many questions and answers there are."""
        given, simulated = questions.c.given, questions.c.simulated
        answered = sa.func.sum(sa.case((given > 0, 1), else_=0))
        query = sa.select(sa.func.count(), answered, sa.func.sum(given), sa.func.sum(simulated))
        query = query.where(questions.c.role == "work")
        for column, wanted in ((questions.c.run, run), (questions.c.round, round)):
            query = query.where(column == wanted) if wanted is not None else query
        with self.database.read() as connection:
            total, *sums = connection.execute(query).one()
        some, number, machine = (int(value or 0) for value in sums)
        return Counts(total, some, number, number - machine, machine)

    def runs(self) -> list[str]:
        """Return the names of the runs that asked something, sorted."""
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(questions.c.run).distinct().order_by(questions.c.run)))

    def set_overlap(
        self,
        overlap: int,
        *,
        run: str | None = None,
        task: str | None = None,
        question: str | None = None,
        by: Principal = NO_PRINCIPAL,
    ) -> int:
        """Let so many people answer each question of a run or a task, or one; return how many questions that changes.

        Raises:
            InvalidValueError: fewer than one.
        """
        if overlap < 1:
            raise InvalidValueError("overlap of a question", overlap, "at least 1 person")
        both = ((questions.c.run, run), (questions.c.task, task), (questions.c.id, question))
        where = [column == wanted for column, wanted in both if wanted is not None]
        room = (questions.c.role == "work") & questions.c.withdrawn.is_(None)
        room &= questions.c.given + questions.c.held < overlap
        values = {"overlap": overlap, "wanted": sa.case((room, 1), else_=0), "again": 0}

        def work(connection: sa.Connection) -> int:
            changed = connection.execute(sa.update(questions).where(*where).values(values)).rowcount
            connection.execute(sa.delete(progress))  # all annotators start again from the first question
            of = question or task or (f"run {run}" if run else "all tasks")
            log(connection, by.name, "overlap changed", f"{of}: {overlap} for {changed:,} questions", by.address)
            return changed

        return self.database.write(work)

    def teams(self) -> dict[str, str]:
        """Return the group of each annotator who has ever been asked, by name; empty where they named none."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(annotators).order_by(annotators.c.name)).all()
        return {row.name: row.team for row in rows}


def _newest(standing: Sequence[Standing]) -> sa.ColumnElement[bool]:
    """An answer that stands so, and that the same annotator has not answered anew."""
    later = answers.alias()
    same = (later.c.question_id == answers.c.question_id) & (later.c.annotator == answers.c.annotator)
    anew = same & (later.c.number > answers.c.number) & later.c.standing.in_(standing)
    return answers.c.standing.in_(standing) & ~sa.exists().where(anew)


def _answered(who: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """A question with an answer, not taken back, by `who`."""
    newest = _newest(COUNTED)
    return sa.exists().where((answers.c.question_id == questions.c.id) & who & newest & answers.c.value.is_not(None))
