"""Looking through the tables a page at a time: rows that follow a number, as far as a limit.

A page is found by the number of the last row of the page before, so that the thousandth page costs what the first does,
and rows that come meanwhile neither hide others nor show them twice.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.tables import annotators, answers, clips, gold, guidelines, notes, questions, segments, signals

QuestionState = Literal["open", "answered", "withdrawn"]
Row = dict[str, Any]


class Found(NamedTuple):
    """One page."""

    items: list[Row]
    next: Any | None  # what the last row is found by, where more follow


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
) -> Found:
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
        found = _page(connection, query, questions.c.number, after, limit)
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
) -> Found:
    """Return answers in the order in which they came, those that were changed later included."""
    query = _where(sa.select(answers), answers, {"question_id": question, "annotator": annotator, "standing": standing})
    if run is not None or task is not None:
        query = query.join(questions, questions.c.id == answers.c.question_id)
        query = _where(query, questions, {"run": run, "task": task})
    with database.read() as connection:
        found = _page(connection, query, answers.c.number, after, limit)
    for row in found.items:
        row["value"] = json.loads(row["value"]) if row["value"] is not None else None
    return found


def signal_rows(database: Database, *, after: int = 0, limit: int = 100, **columns: str | None) -> Found:
    """Return presses in the order in which they came; `columns` are compared."""
    with database.read() as connection:
        return _page(connection, _where(sa.select(signals), signals, columns), signals.c.number, after, limit)


def note_rows(database: Database, *, after: int = 0, limit: int = 100, **columns: str | None) -> Found:
    """Return notes in the order in which they came; `columns` are compared."""
    with database.read() as connection:
        return _page(connection, _where(sa.select(notes), notes, columns), notes.c.number, after, limit)


def clip_rows(database: Database, *, after: str = "", limit: int = 100, **columns: str | None) -> Found:
    """Return clips by their id; `columns` are compared."""
    with database.read() as connection:
        return _page(connection, _where(sa.select(clips), clips, columns), clips.c.id, after, limit)


def annotator_rows(database: Database, *, after: str = "", limit: int = 100, **columns: str | None) -> Found:
    """Return those who were ever asked, by name; `columns` are compared."""
    query = _where(sa.select(annotators), annotators, columns)
    with database.read() as connection:
        return _page(connection, query, annotators.c.name, after, limit)


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


def _page(
    connection: sa.Connection, query: "sa.Select[Any]", key: "sa.Column[Any]", after: int | str, limit: int
) -> Found:
    query = query.where(key > after).order_by(key).limit(limit + 1)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return Found(rows[:limit], rows[limit - 1][key.name] if len(rows) > limit else None)


def _add_clips(connection: sa.Connection, rows: Sequence[Row]) -> None:
    query = sa.select(segments).where(segments.c.question_id.in_([row["id"] for row in rows]))
    shown = defaultdict(list)
    for clip in connection.execute(query.order_by(segments.c.position)):
        piece = {"id": clip.clip_id, "episode_id": clip.episode_id, "start": clip.start, "length": clip.length}
        shown[clip.question_id].append(piece)
    for row in rows:
        row["clips"], row["meta"] = shown[row["id"]], json.loads(row["meta"])
