"""Preferences of rewinds and takeovers in the database: written as they happen, taken back, and read for training.

They are answers to questions of the role "implicit", which nobody is ever asked. What a dataset says is compared with
what is stored, so writing again changes nothing, and what is no longer so (an episode in the trash, another outcome) is
corrected. What a person took back stays taken back.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.feedback.assignment.add_questions import QuestionWriter
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer, write_answer
from robo_rlhf.feedback.implicit.pairs import Preference, datasets_in, read_preferences
from robo_rlhf.feedback.records import AnnotatorKind, Answer, Question, json_text
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, questions, segments

RUN = "implicit"  # that the questions of what happens at a station belong to
BATCH = 500  # rows looked up by one statement


class Written(NamedTuple):
    """What changed."""

    new: int  # preferences that were not there, or otherwise
    removed: int  # that do not hold any more


class Stored(NamedTuple):
    """A preference as it is stored."""

    question: str
    annotator: str
    dataset: str  # of what was left
    left: str  # episode
    value: dict[str, Any]  # see `kinds.correction`
    taken_back: str  # by whom, empty where it stands


def update(home: Path, store: Store, dataset: str) -> Written:
    """Bring what is stored in line with what a dataset of the data home says by now."""
    found = read_preferences(dataset, datasets_in(home, store, first=[dataset]), run=RUN).found
    return write_preferences(store, found, all_of=(RUN, dataset))


def write_preferences(store: Store, found: Sequence[Preference], *, all_of: tuple[str, str] | None = None) -> Written:
    """Write preferences, in one transaction.

    Args:
        store: where.
        found: the preferences.
        all_of: a run and a dataset of which `found` is everything: others of these are taken back.
    """

    def work(connection: sa.Connection) -> Written:
        known = _known(connection, [one.question.id for one in found])
        QuestionWriter(one.question for one in found if one.question.id not in known).write(connection)
        new = sum(_say(connection, one.question.id, one.annotator, one.annotator_kind, one.answer) for one in found)
        if all_of is None:
            return Written(new, 0)
        still = {one.question.id for one in found}
        stale = [row for row in _rows(connection, *all_of) if row.question not in still]
        return Written(new, sum(_say(connection, row.question, row.annotator, row.kind, None) for row in stale))

    return store.database.write(work)


def take_back(store: Store, question: str, by: str) -> None:
    """Take a preference back for good, whatever its dataset says.

    Raises:
        NotFoundError: there is none.
    """

    def work(connection: sa.Connection) -> None:
        row = _one(connection, question)
        _say(connection, question, row.annotator, row.annotator_kind, None)
        mark = sa.update(questions).where(questions.c.id == question)
        connection.execute(mark.values(withdrawn=f"taken back by {by}"))

    store.database.write(work)


def restore(store: Store, question: str) -> None:
    """Let a preference stand again that a person took back.

    Raises:
        NotFoundError: there is none.
    """

    def work(connection: sa.Connection) -> None:
        row = _one(connection, question)
        connection.execute(sa.update(questions).where(questions.c.id == question).values(withdrawn=None))
        last = sa.select(answers.c.value).where(answers.c.question_id == question, answers.c.value.is_not(None))
        value = connection.scalar(last.order_by(answers.c.number.desc()).limit(1))
        _say(connection, question, row.annotator, row.annotator_kind, None if value is None else json.loads(value))

    store.database.write(work)


def of_episode(store: Store, dataset: str, episode: str) -> list[Stored]:
    """Return what an episode's rewinds and takeovers say, and what was said about it, those taken back included."""
    later = answers.alias()
    newest = sa.select(sa.func.max(later.c.number)).where(
        later.c.question_id == questions.c.id, later.c.value.is_not(None)
    )
    query = sa.select(questions.c.id, questions.c.dataset, questions.c.withdrawn, answers, segments.c.episode_id)
    query = query.select_from(questions).join(answers, answers.c.number == newest.scalar_subquery())
    query = query.join(segments, segments.c.question_id == questions.c.id)
    query = query.where(questions.c.role == "implicit").order_by(questions.c.number)
    mine = questions.c.meta == json_text({"dataset": dataset, "episode": episode})
    other = (questions.c.dataset == dataset) & (segments.c.episode_id == episode)
    query = query.where(mine | other)
    with store.database.read() as connection:
        rows = connection.execute(query).mappings().all()
        stands = {row["id"] for row in rows if _newest(connection, row["id"]) is not None}
    return [
        Stored(
            row["id"],
            row["annotator"],
            row["dataset"],
            row["episode_id"],
            json.loads(row["value"]),
            row["withdrawn"] or ("" if row["id"] in stands else "taken back as it does not hold any more"),
        )
        for row in rows
    ]


def read_implicit(
    store: Store, task: str, *, but_of: str | None, kind: AnnotatorKind | None = None, until: int | None = None
) -> tuple[list[Question], list[Answer]]:
    """Return the preferences about a task as questions and answers, each once, in the order in which they were added.

    Args:
        store: where they are.
        task: the task.
        but_of: a run whose own are left out.
        kind: only those of people, or of simulated operators.
        until: only up to this number of an answer.
    """
    asked = {q.id: q for q in store.questions(role="implicit") if q.task == task and q.run != but_of}
    place = {name: i for i, name in enumerate(asked)}
    marks = [a for a in store.answers(role="implicit") if a.question_id in asked and kind in (None, a.annotator_kind)]
    marks = [a for a in marks if until is None or a.number <= until]
    marks.sort(key=lambda a: (place[a.question_id], a.annotator))
    return list(asked.values()), marks


def without_repeats(asked: Sequence[Question], given: Sequence[Answer]) -> list[Answer]:
    """Return the answers without those that say again what a person's correction says: asked, or in another run."""
    implicit = {question.id for question in asked if question.role == "implicit"}
    known = {_correction(answer) for answer in given if answer.question_id not in implicit}
    kept = []
    for answer in given:
        if answer.question_id in implicit:
            if _correction(answer) in known:
                continue
            known.add(_correction(answer))
        kept.append(answer)
    return kept


def _correction(answer: Answer) -> tuple[Any, ...]:
    return answer.annotator, *(answer.value.get(name) for name in ("dataset", "episode", "start", "from"))


def count_by_person(store: Store, *, run: str | None = None, task: str | None = None) -> dict[str, int]:
    """Return how many preferences of each person stand, by name."""
    asked = {q.id for q in store.questions(run=run, role="implicit") if task in (None, q.task)}
    found: dict[str, int] = {}
    for answer in store.answers(run=run, role="implicit"):
        if answer.question_id in asked:
            found[answer.annotator] = found.get(answer.annotator, 0) + 1
    return dict(sorted(found.items()))


class _Holding(NamedTuple):
    question: str
    annotator: str
    kind: AnnotatorKind


def _say(connection: sa.Connection, question: str, person: str, kind: AnnotatorKind, value: Any) -> bool:
    """Write an answer unless it is the newest already, or a person took it back; return whether it was written."""
    withdrawn = connection.scalar(sa.select(questions.c.withdrawn).where(questions.c.id == question))
    before = _newest(connection, question)
    text = None if value is None else json_text(value)
    if before == text or (withdrawn is not None and value is not None):
        return False
    count = sa.select(sa.func.count()).where(answers.c.question_id == question, answers.c.annotator == person)
    key = f"implicit {question} {connection.scalar(count)}"
    sent = SubmittedAnswer(question, person, kind, value, key, None, None, None)
    return write_answer(connection, sent, 0.0).new


def _newest(connection: sa.Connection, question: str) -> str | None:
    query = sa.select(answers.c.value).where(answers.c.question_id == question)
    found: str | None = connection.scalar(query.order_by(answers.c.number.desc()).limit(1))
    return found


def _known(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), BATCH):
        query = sa.select(questions.c.id).where(questions.c.id.in_(ids[start : start + BATCH]))
        found.update(connection.scalars(query))
    return found


def _rows(connection: sa.Connection, run: str, dataset: str) -> list[_Holding]:
    """Return the preferences of a run that follow from a dataset."""
    query = sa.select(questions.c.id, questions.c.meta, answers.c.annotator, answers.c.annotator_kind)
    query = query.join(answers, answers.c.question_id == questions.c.id).distinct()
    query = query.where(questions.c.run == run, questions.c.role == "implicit", answers.c.value.is_not(None))
    rows = connection.execute(query).all()
    return [
        _Holding(row.id, row.annotator, row.annotator_kind)
        for row in rows
        if json.loads(row.meta)["dataset"] == dataset
    ]


def _one(connection: sa.Connection, question: str) -> Any:
    query = sa.select(answers).join(questions, questions.c.id == answers.c.question_id)
    query = query.where(questions.c.id == question, questions.c.role == "implicit", answers.c.value.is_not(None))
    row = connection.execute(query.order_by(answers.c.number.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFoundError("preference", question[:80], "It may belong to another database; reload the page.")
    return row
