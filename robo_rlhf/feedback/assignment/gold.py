"""Gold questions: their answer is known; they are mixed in to measure an annotator's care, or shown for practice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.database.engine import insert_or_update
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import AnswerValue, agreement, check_keys
from robo_rlhf.feedback.records import json_text
from robo_rlhf.feedback.tables import gold, questions, segments

LEAST = 0.75  # agreement from which an answer is right: one level of a rating, one pair of a ranking of four


@dataclass(frozen=True)
class GoldQuestion:
    """The known answer to a gold or practice question."""

    question: str
    kind: str
    expected: AnswerValue
    explanation: str  # why, for those who practise
    least: float  # agreement with `expected` from which an answer is right
    retired: bool  # not assigned any more

    def right(self, answer: AnswerValue) -> bool:
        """Whether an answer is right; one that judges nothing is not."""
        agreed = agreement(KINDS[self.kind], self.expected, answer)
        return agreed is not None and agreed >= self.least


class Gold:
    """The known answers. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def set(
        self,
        question: str,
        expected: AnswerValue,
        *,
        explanation: str = "",
        least: float = LEAST,
        by: Principal = NO_PRINCIPAL,
    ) -> GoldQuestion:
        """Set the right answer to a question that was added with the role "gold" or "practice".

        Raises:
            NotFoundError: there is no such question.
            ConflictError: people are asked it as work.
            InvalidValueError: it is no answer to it, or one that judges nothing.
        """
        if not 0 < least <= 1:
            raise InvalidValueError("least agreement of a gold answer", least, "a number in (0, 1]")

        def work(connection: sa.Connection) -> None:
            row = connection.execute(sa.select(questions).where(questions.c.id == question)).one_or_none()
            if row is None:
                raise NotFoundError("question", question, "Add it with the role gold first.")
            if row.role not in ("gold", "practice"):
                raise ConflictError(f"gold answer to {question}", "people are asked this question as work")
            clips = sa.select(sa.func.count()).where(segments.c.question_id == question)
            kind = KINDS[row.kind]
            check_keys(kind, expected)
            kind.validate(expected, connection.scalar(clips) or 0, json.loads(row.meta))
            if not kind.labels(expected):
                raise InvalidValueError("gold answer", json_text(expected), "one that judges the clips")
            values = {"expected": json_text(expected), "explanation": explanation, "least": least, "retired": 0}
            added = {"question_id": question, "added": timestamp(), **values}
            connection.execute(insert_or_update(connection, gold, added, values))
            log(connection, by.name, "gold answer set", f"{question}: {values['expected']}", by.address)

        self._database.write(work)
        return self.get(question)

    def retire(self, question: str, retired: bool = True, *, by: Principal = NO_PRINCIPAL) -> None:
        """Retire a gold question, or bring it back.

        Raises:
            NotFoundError: it is none.
        """
        change = sa.update(gold).where(gold.c.question_id == question).values(retired=int(retired))

        def work(connection: sa.Connection) -> None:
            if connection.execute(change).rowcount != 1:
                raise NotFoundError("gold question", question, "See what there is with Gold.list.")
            log(connection, by.name, f"gold question {'retired' if retired else 'taken back in'}", question, by.address)

        self._database.write(work)

    def get(self, question: str) -> GoldQuestion:
        """Return what is known about a question.

        Raises:
            NotFoundError: nothing is.
        """
        found = self._find(gold.c.question_id == question)
        if not found:
            raise NotFoundError("gold question", question, "See what there is with Gold.list.")
        return found[0]

    def list(self, task: str | None = None) -> Sequence[GoldQuestion]:
        """Return all that is known, or about one task, in the order of the questions."""
        return self._find(questions.c.task == task if task is not None else sa.true())

    def _find(self, condition: sa.ColumnElement[bool]) -> Sequence[GoldQuestion]:
        query = sa.select(gold, questions.c.kind).join(questions, questions.c.id == gold.c.question_id)
        with self._database.read() as connection:
            rows = connection.execute(query.where(condition).order_by(questions.c.number)).all()
        return [
            GoldQuestion(r.question_id, r.kind, json.loads(r.expected), r.explanation, r.least, bool(r.retired))
            for r in rows
        ]
