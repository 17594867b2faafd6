"""Paged queries of the tables of feedback; see `robo_rlhf.database.paging`."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.database.paging import Row, RowPage, page_of
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.tables import answers, clips, gold, guidelines, notes, questions, segments, signals

QuestionState = Literal["open", "answered", "withdrawn"]


def question_rows(
    database: Database,
    *,
    after: int = 0,
    limit: int = 100,
    run: str | None = None,
    round: int | None = None,
    task: str | None = None,
    kind: str | None = None,
    role: str | None = None,
    state: QuestionState | None = None,
) -> RowPage:
    """Return questions with their clips and counters, in the order in which they were added."""
    columns = {"run": run, "round": round, "task": task, "kind": kind, "role": role}
    query = _where(sa.select(questions), questions, columns)
    match state:
        case "withdrawn":
            query = query.where(questions.c.withdrawn.is_not(None))
        case "open":
            query = query.where(questions.c.withdrawn.is_(None), questions.c.given < questions.c.overlap)
        case "answered":
            query = query.where(questions.c.withdrawn.is_(None), questions.c.given >= questions.c.overlap)
    with database.read() as connection:
        found = page_of(connection, query, questions.c.number, after, limit)
        _add_clips(connection, found.items)
    return found


def question_row(database: Database, name: str) -> Row:
    """Return one question.

    Raises:
        NotFoundError: there is none.
    """
    with database.read() as connection:
        row = connection.execute(sa.select(questions).where(questions.c.id == name)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("question", name[:80], "It may belong to another database; list what is there.")
        found = [dict(row)]
        _add_clips(connection, found)
    return found[0]


def answer_rows(
    database: Database,
    *,
    after: int = 0,
    limit: int = 100,
    question: str | None = None,
    annotator: str | None = None,
    standing: str | None = None,
    run: str | None = None,
    task: str | None = None,
) -> RowPage:
    """Return answers in the order in which they came, those that were changed later included."""
    query = _where(sa.select(answers), answers, {"question_id": question, "annotator": annotator, "standing": standing})
    if run is not None or task is not None:
        query = query.join(questions, questions.c.id == answers.c.question_id)
        query = _where(query, questions, {"run": run, "task": task})
    with database.read() as connection:
        found = page_of(connection, query, answers.c.number, after, limit)
    for row in found.items:
        row["value"] = json.loads(row["value"]) if row["value"] is not None else None
    return found


def signal_rows(database: Database, *, after: int = 0, limit: int = 100, **columns: str | None) -> RowPage:
    """Return presses in the order in which they came; `columns` are compared."""
    with database.read() as connection:
        return page_of(connection, _where(sa.select(signals), signals, columns), signals.c.number, after, limit)


def note_rows(database: Database, *, after: int = 0, limit: int = 100, **columns: str | None) -> RowPage:
    """Return notes in the order in which they came; `columns` are compared."""
    with database.read() as connection:
        return page_of(connection, _where(sa.select(notes), notes, columns), notes.c.number, after, limit)


def clip_rows(database: Database, *, after: str = "", limit: int = 100, **columns: str | None) -> RowPage:
    """Return clips by their id; `columns` are compared."""
    with database.read() as connection:
        return page_of(connection, _where(sa.select(clips), clips, columns), clips.c.id, after, limit)


def annotator_rows(database: Database, *, after: str = "", limit: int = 100, **columns: str | None) -> RowPage:
    """Return all annotators who were ever asked, by name; `columns` are compared."""
    query = _where(sa.select(annotators), annotators, columns)
    with database.read() as connection:
        return page_of(connection, query, annotators.c.name, after, limit)


def task_names(database: Database) -> list[str]:
    """Return the tasks that questions are about, sorted."""
    with database.read() as connection:
        return list(connection.scalars(sa.select(questions.c.task).distinct().order_by(questions.c.task)))


def tasks_to_read(database: Database) -> list[str]:
    """Return the tasks that questions are about or guidelines are written for, sorted."""
    asked, written = sa.select(questions.c.task), sa.select(guidelines.c.task)
    with database.read() as connection:
        return sorted(connection.scalars(sa.union(asked, written)))


def practice_counts(database: Database) -> dict[str, int]:
    """Return how many questions to practise on each task has; those without any are left out."""
    query = sa.select(questions.c.task, sa.func.count()).join(gold, gold.c.question_id == questions.c.id)
    query = query.where(gold.c.retired == 0, questions.c.role == "practice", questions.c.withdrawn.is_(None))
    with database.read() as connection:
        return {task: count for task, count in connection.execute(query.group_by(questions.c.task))}


def dataset_names(database: Database) -> list[str]:
    """Return the datasets that questions are about, sorted."""
    with database.read() as connection:
        return list(connection.scalars(sa.select(questions.c.dataset).distinct().order_by(questions.c.dataset)))


def questions_about(database: Database, clip: str) -> list[str]:
    """Return the ids of the questions about a clip."""
    query = sa.select(segments.c.question_id).where(segments.c.clip_id == clip).distinct()
    with database.read() as connection:
        return list(connection.scalars(query.order_by(segments.c.question_id)))


def _where(query: "sa.Select[Any]", table: sa.Table, columns: dict[str, Any]) -> "sa.Select[Any]":
    for name, wanted in columns.items():
        query = query.where(table.c[name] == wanted) if wanted is not None else query
    return query


def _add_clips(connection: sa.Connection, rows: Sequence[Row]) -> None:
    query = sa.select(segments).where(segments.c.question_id.in_([row["id"] for row in rows]))
    shown = defaultdict(list)
    for clip in connection.execute(query.order_by(segments.c.position)):
        piece = {"id": clip.clip_id, "episode_id": clip.episode_id, "start": clip.start, "length": clip.length}
        shown[clip.question_id].append(piece)
    for row in rows:
        row["clips"], row["meta"] = shown[row["id"]], json.loads(row["meta"])
