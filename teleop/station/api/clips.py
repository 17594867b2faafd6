"""Clips of questions: the address of their video, and whether they may be shown."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from pydantic import Field

from robo_rlhf.feedback.assignment.quarantine import Clip, State
from robo_rlhf.feedback.queries import clip_rows, questions_about
from teleop.station.web.rest import (
    BODY,
    PLAIN,
    Answers,
    Body,
    InPath,
    Limit,
    Operator,
    Rows,
    Shape,
    Text,
    Who,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("clips")


class ClipShape(Shape):
    """A clip."""

    id: str
    dataset: str
    episode_id: str
    start: int = Field(description="First step.")
    length: int = Field(description="Steps.")
    state: State = Field(description="Questions about clips that are not good are not asked.")
    reason: str = Field(description="Why it is not good.")
    changed: str = Field(description="ISO 8601, UTC; empty where it always was as it is.")
    address: str = Field(description="Where its video is; `camera` and `width` [pixels] can be added.")


class ClipRows(Rows[ClipShape, str]):
    """Clips by their id."""


class ClipStateBody(Body):
    """The new state of a clip."""

    state: State
    reason: Text = Field(default="", description="The reason, for later readers.", examples=["the camera was blocked"])


class ClipStateResult(Shape):
    """A clip whose state was changed, and the questions that this withdrew or asks again."""

    clip: ClipShape
    questions: list[str]


@router.get("/clips", responses=answers())
def list_clips(
    store: Answers,
    _: Operator,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    dataset: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this dataset.")] = None,
    episode: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Only of this episode.")] = None,
    after: Annotated[str, Query(max_length=24, pattern=r"^[0-9a-f]*$", description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> ClipRows:
    """List the clips of questions."""
    found = clip_rows(store.database, after=after, limit=limit, state=state, dataset=dataset, episode_id=episode)
    return ClipRows(items=[_shape(**row) for row in found.items], next=found.next)


@router.get("/clips/{clip}", responses=answers(404))
def one_clip(store: Answers, _: Operator, clip: InPath) -> ClipShape:
    """Show one clip. Its video is at `address`."""
    return _shape_of(store.clips.get(clip))


@router.get("/clips/{clip}/questions", responses=answers(404))
def questions_of_clip(store: Answers, _: Operator, clip: InPath) -> list[str]:
    """List the ids of the questions about a clip."""
    store.clips.get(clip)
    return questions_about(store.database, clip)


@router.put("/clips/{clip}/state", responses=answers(*BODY, 404))
def mark(store: Answers, _: Operator, who: Who, clip: InPath, body: ClipStateBody) -> ClipStateResult:
    """Put a clip aside, with all questions about it, or take it back in."""
    found = store.clips.get(clip)
    place = (found.dataset, found.segment.episode_id, found.segment)
    changed = store.clips.mark(body.state, *place, reason=body.reason, by=who)
    return ClipStateResult(clip=_shape_of(store.clips.get(clip)), questions=changed)


def _shape_of(clip: Clip) -> ClipShape:
    row = {**clip.segment._asdict(), "id": clip.id, "dataset": clip.dataset, "state": clip.state}
    return _shape(**row, reason=clip.reason, changed=clip.changed)


def _shape(**row: object) -> ClipShape:
    return ClipShape.model_validate({**row, "address": f"/review/clip/{quote(str(row['id']))}"})
