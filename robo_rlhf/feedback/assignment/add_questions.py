"""Adding questions: all of them or none, and those that are there already change nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from robo_rlhf.core.errors import ConflictError
from robo_rlhf.core.types import Segment
from robo_rlhf.database.engine import insert_new
from robo_rlhf.database.migrate import LOCK
from robo_rlhf.feedback.assignment.quarantine import note_clips
from robo_rlhf.feedback.records import Question, clip_id, question_row, segment_rows
from robo_rlhf.feedback.tables import clips, questions, segments

BATCH = 500  # rows looked up by one statement: databases limit its parameters


class QuestionWriter:
    """Questions to be added."""

    def __init__(self, new: Iterable[Question]) -> None:
        """Check the questions; raises as `records.question_row`."""
        self.asked = {question.id: (question, question_row(question)) for question in new}

    def write(self, connection: sa.Connection) -> int:
        """Write those that are new and return how many.

        Raises:
            ConflictError: another question has the same id.
        """
        if connection.dialect.name == "postgresql":  # numbers then become visible in their order
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK + 1)))
        known = _known_questions(connection, list(self.asked))
        for key, (row, clips_of) in known.items():
            _compare(*self.asked[key], row, clips_of)
        fresh = [self.asked[key] for key in self.asked if key not in known]
        if fresh:
            _insert(connection, fresh)
        return len(fresh)


def _known_questions(connection: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[Any, list[Segment]]]:
    """Return the rows of those questions that are there, and their clips, by id."""
    known: dict[str, tuple[Any, list[Segment]]] = {}
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        for row in connection.execute(sa.select(questions).where(questions.c.id.in_(some))):
            known[row.id] = (row, [])
        clips_of = sa.select(segments).where(segments.c.question_id.in_(some)).order_by(segments.c.position)
        for clip in connection.execute(clips_of):
            known[clip.question_id][1].append(Segment(clip.episode_id, clip.start, clip.length))
    return known


def _compare(question: Question, wanted: dict[str, Any], row: Any, clips_of: list[Segment]) -> None:
    """Check that a question which is there already is the same; only its overlap may differ."""
    same = all(getattr(row, name) == wanted[name] for name in wanted if name not in ("created", "overlap"))
    if not same or list(question.segments) != clips_of:
        raise ConflictError(f"question {question.id}", "it is there already with other clips or another content")


def _insert(connection: sa.Connection, fresh: Sequence[tuple[Question, dict[str, Any]]]) -> None:
    rows = [{**row, "wanted": int(question.role == "work")} for question, row in fresh]
    pieces = [row for question, _ in fresh for row in segment_rows(question)]
    shown = {clip_id(asked.dataset, clip): (asked.dataset, clip) for asked, _ in fresh for clip in asked.segments}
    new_clips = [{"id": key, "dataset": dataset, **clip._asdict()} for key, (dataset, clip) in shown.items()]
    for table, values in ((questions, rows), (segments, pieces), (clips, new_clips)):
        connection.execute(insert_new(connection, table), values)
    for start in range(0, len(rows), BATCH):
        some = [row["id"] for row in rows[start : start + BATCH]]
        note_clips(connection, sa.select(questions.c.id).where(questions.c.id.in_(some)))
