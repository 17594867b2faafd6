"""Assignment cache: what a process keeps between assignments, to query the database less."""

import math
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.tables import questions, segments

if TYPE_CHECKING:
    from robo_rlhf.feedback.assignment.assign import QuestionFilter

MARK_EVERY = 512  # questions passed over until a person's place is stored
MOST_REMEMBERED = 100_000  # questions whose clips are kept in memory
AHEAD = 50  # questions whose clips are read together
PLACE_LASTS = 60.0  # [s] that a person's place is not read again
RECHECK_AFTER = 0.2  # [s] that a query for questions that are wanted again remains valid


class AssignmentCache:
    """Cached values that were read a moment ago, or never change. Safe to use from threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._clips: dict[str, tuple[Segment, ...]] = {}
        self._places: dict[
            tuple[str, QuestionFilter], tuple[int, float]
        ] = {}  # how far they are, and when that was noted [s]
        self._none_again = -math.inf  # when there was last no question that had been full and is wanted again

    def clips(self, connection: sa.Connection, question: Any) -> tuple[Segment, ...]:
        """Return the clips of a question, which never change, and prefetch those of the next questions."""
        if question.id not in self._clips:
            if len(self._clips) >= MOST_REMEMBERED:
                self._clips.clear()
            ahead: dict[str, list[Segment]] = {question.id: []}
            for row in connection.execute(_SEGMENTS_AHEAD, {"number": question.number}):
                ahead.setdefault(row.question_id, []).append(Segment(row.episode_id, row.start, row.length))
            self._clips |= {name: tuple(clips) for name, clips in ahead.items()}
        return self._clips[question.id]

    @property
    def nothing_reopened(self) -> bool:
        """Whether there was no question a moment ago that is wanted again: then new ones are queried first."""
        return time.monotonic() < self._none_again + RECHECK_AFTER

    def needs_new_place(self, person: str, chosen: "QuestionFilter", number: int) -> bool:
        """Whether a question is so far beyond a person's noted place that the place should be stored anew.

        A noted place holds for a while only: another process may have reset all places to the start.
        """
        place, noted = self._places.get((person, chosen), (0, -math.inf))
        return number > MARK_EVERY + (place if time.monotonic() < noted + PLACE_LASTS else 0)

    def note_place(self, person: str, chosen: "QuestionFilter", number: int) -> None:
        """Note how far a person is."""
        if len(self._places) >= MOST_REMEMBERED:
            self._places.clear()
        self._places[person, chosen] = (number, time.monotonic())

    def note_reopened(self, found: bool) -> None:
        """Note whether there was a question that is wanted again."""
        self._none_again = -math.inf if found else time.monotonic()


_NEXT = questions.c.number.between(bindparam("number"), bindparam("number") + AHEAD - 1)
_SEGMENTS_AHEAD = sa.select(segments).join(questions, questions.c.id == segments.c.question_id).where(_NEXT)
_SEGMENTS_AHEAD = _SEGMENTS_AHEAD.order_by(questions.c.number, segments.c.position)
