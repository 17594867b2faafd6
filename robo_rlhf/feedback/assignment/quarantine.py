"""The states of clips in questions: which can be shown, and what happens to questions about the others.

A clip that cannot be shown, because its episode is gone or broken, is put into quarantine, and its questions are asked
no more; a clip that should not be shown is withdrawn. Answers that were given stay.
"""

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.types import Segment
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.records import clip_id
from robo_rlhf.feedback.tables import clips, questions, segments
from robo_rlhf.webhooks.events import queue_event

State = Literal["good", "quarantined", "withdrawn"]
BY_CLIP = "clip "  # how the reason of a question begins that is withdrawn because of a clip


@dataclass(frozen=True)
class Clip:
    """A clip that was asked about."""

    id: str
    dataset: str
    segment: Segment
    state: State
    reason: str  # why it is not good
    changed: str  # ISO 8601, UTC; empty where it always was as it is


class ClipStates:
    """The states of clips. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def mark(
        self,
        state: State,
        dataset: str,
        episode: str,
        clip: Segment | None = None,
        *,
        reason: str = "",
        by: Principal = NO_PRINCIPAL,
    ) -> list[str]:
        """Change the state of one clip, or of all clips of an episode; return the questions that this changes.

        Raises:
            NotFoundError: no question was ever about such a clip.
        """
        where = [clips.c.dataset == dataset, clips.c.episode_id == episode]
        if clip is not None:
            where.append(clips.c.id == clip_id(dataset, clip))

        def work(connection: sa.Connection) -> list[str]:
            found = connection.execute(sa.select(clips.c.id, clips.c.state, clips.c.reason).where(*where)).all()
            if not found:
                raise NotFoundError("clip of episode", episode, f"No question is about it in dataset {dataset!r}.")
            values = {"state": state, "reason": reason, "changed": timestamp()}
            connection.execute(sa.update(clips).where(*where).values(values))
            changed = [row.id for row in found if (row.state, row.reason) != (state, reason)]
            if changed:  # a broken clip is reported by every person who received it
                about = f"{', '.join(changed)}: {state}{f', {reason}' if reason else ''}"
                log(connection, by.name, "clip marked", about, by.address)
            mine = sa.select(clips.c.id).where(*where)
            asked = sa.select(segments.c.question_id).where(segments.c.clip_id.in_(mine)).distinct()
            if state == "good":
                return _restore(connection, asked)
            return _withdraw(connection, asked, f"{BY_CLIP}{state}: {reason}")

        return self._database.write(work)

    def withdraw_question(self, question: str, reason: str, *, by: Principal = NO_PRINCIPAL) -> None:
        """Withdraw a question: it is not asked any more.

        Raises:
            NotFoundError: there is no such question.
        """

        def work(connection: sa.Connection) -> None:
            if connection.scalar(sa.select(questions.c.id).where(questions.c.id == question)) is None:
                raise NotFoundError("question", question, "It may belong to another database.")
            _withdraw(connection, sa.select(questions.c.id).where(questions.c.id == question), reason or "withdrawn")
            log(connection, by.name, "question withdrawn", f"{question}: {reason}", by.address)

        self._database.write(work)

    def get(self, name: str) -> Clip:
        """Return the clip with an id.

        Raises:
            NotFoundError: there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(clips).where(clips.c.id == name)).one_or_none()
        if row is None:
            raise NotFoundError("clip", name[:40], "No question is about it.")
        return _clip_of(row)

    def list(self, state: State | None = None, *, limit: int | None = None) -> list[Clip]:
        """Return clips, all or those in one state."""
        query = sa.select(clips).order_by(clips.c.dataset, clips.c.episode_id, clips.c.start, clips.c.length)
        query = query.where(clips.c.state == state) if state is not None else query
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [_clip_of(row) for row in rows]


def _clip_of(row: Any) -> Clip:
    clip = Segment(row.episode_id, row.start, row.length)
    return Clip(row.id, row.dataset, clip, row.state, row.reason, row.changed)


def note_clips(connection: sa.Connection, ids: "sa.Select[tuple[str]]") -> None:
    """Withdraw those of new questions that are about a clip that cannot be shown."""
    broken = sa.select(clips.c.id).where(clips.c.state != "good")
    asked = sa.select(segments.c.question_id).where(segments.c.clip_id.in_(broken), segments.c.question_id.in_(ids))
    _withdraw(connection, asked.distinct(), f"{BY_CLIP}not good when the question was added")


def _withdraw(connection: sa.Connection, ids: "sa.Select[tuple[str]]", reason: str) -> "list[str]":
    chosen = questions.c.id.in_(ids) & questions.c.withdrawn.is_(None)
    change = sa.update(questions).where(chosen).values(withdrawn=reason, wanted=0, again=0)
    changed = list(connection.scalars(change.returning(questions.c.id)).all())
    queue_event(connection, "question.withdrawn", [{"question": question, "reason": reason} for question in changed])
    return changed


def _restore(connection: sa.Connection, ids: "sa.Select[tuple[str]]") -> "list[str]":
    """Ask questions again that were withdrawn because of clips that are all good now."""
    good = ~sa.exists().where(
        segments.c.question_id == questions.c.id, segments.c.clip_id == clips.c.id, clips.c.state != "good"
    )
    chosen = questions.c.id.in_(ids) & questions.c.withdrawn.startswith(BY_CLIP) & good
    room = (questions.c.role == "work") & (questions.c.given + questions.c.held < questions.c.overlap)
    again = sa.case((room, 1), else_=0)
    change = sa.update(questions).where(chosen).values(withdrawn=None, wanted=again, again=again)
    return list(connection.scalars(change.returning(questions.c.id)).all())
