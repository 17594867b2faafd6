"""Questions for whoever asks: each is theirs for a time, a lease."""

import asyncio
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request

from robo_rlhf.feedback.assignment.assign import QuestionFilter
from teleop.station.review.questions import ReviewQuestions
from teleop.station.web.auth import SignedIn, station_of
from teleop.station.web.rest import (
    BODY,
    Annotator,
    Answers,
    Body,
    Items,
    Name,
    Serial,
    SerialInPath,
    Shape,
    answers,
)
from teleop.station.web.rest import (
    router as make,
)

router = make("leases")


class NextBody(Body):
    """What somebody wants to be asked."""

    run: Name | None = Field(default=None, description="Only of this run.")
    task: Name | None = Field(default=None, description="Only of this task.")
    have: list[Serial] = Field(
        default=[],
        max_length=20,
        description="Leases that the program has in hand. A live one that is not among them is handed out again.",
    )


class ShownClip(Shape):
    """A clip as it is shown."""

    name: str = Field(description="What answers call it.", examples=["B"])
    label: str = Field(description="What it is called on the screen, from left to right.", examples=["A"])
    id: str
    address: str = Field(description="Where its video is, at this station.")
    fps: float = Field(description="Frames a second.")
    frames: int
    start: int = Field(description="First step in its episode; 0 for those who may not drive.")
    source: str = Field(description="Its dataset, within the data home; empty for those who may not drive.")
    episode: str = Field(description="Empty for those who may not drive: who judges is not told whose it is.")


class ControlShape(Shape):
    """One thing that can be pressed to answer."""

    label: str = Field(examples=["A is better"])
    key: str = Field(description="As KeyboardEvent.key.", examples=["1"])
    value: dict[str, Any] = Field(description="The answer that it gives.", examples=[{"choice": "B"}])
    part: bool = Field(description="The value is a part of an answer.")


class LeasedQuestion(Shape):
    """A question that is yours for a time."""

    lease: int = Field(description="Comes with the answer.")
    question: str
    kind: str
    prompt: str
    layout: str = Field(description="How an answer is put together.", examples=["choice"])
    task: str
    about: str
    criteria: list[str] = Field(description="Of a rating: what is rated, each by itself.")
    practice: bool = Field(description="You are told what would have been right.")
    seconds: float = Field(description="What is left of your time [s].")
    controls: list[ControlShape]
    clips: list[ShownClip] = Field(description="In the order in which to show them.")


class NextQuestion(Shape):
    """The next question."""

    question: LeasedQuestion | None = Field(description="Null where there is none for you.")


class LeaseShape(Shape):
    """A question in your hands."""

    lease: int
    question: str
    shown: str = Field(description="The names of its clips, in the order in which to show them.", examples=["BA"])
    seconds: float = Field(description="What is left of your time [s].")


class LeaseRows(Items[LeaseShape]):
    """Questions in your hands, oldest first."""


class LeaseTime(Shape):
    """What is left of a lease."""

    seconds: Annotated[float, Field(description="[s]; 0 where it has run out and the question is others'.")]


@router.get("/leases", responses=answers())
def list_leases(store: Answers, me: Annotator) -> LeaseRows:
    """List the questions in your hands."""
    held = store.leases.held_by(me.person.name)
    return LeaseRows(
        items=[LeaseShape(lease=h.lease, question=h.question.id, shown=h.shown, seconds=h.seconds) for h in held]
    )


@router.post("/leases", responses=answers(*BODY))
async def next_question(request: Request, me: Annotator, body: NextBody) -> NextQuestion:
    """Get the next question; it is yours for a time, and then others'."""
    return await _hand(request, me, body, practice=False)


@router.post("/practice", responses=answers(*BODY), tags=["practice"])
async def next_practice(request: Request, me: Annotator, body: NextBody) -> NextQuestion:
    """Get the next question to practise with: what would have been right comes back with the answer."""
    return await _hand(request, me, body, practice=True)


@router.post("/leases/{lease}/renew", responses=answers())
def renew(store: Answers, me: Annotator, lease: SerialInPath) -> LeaseTime:
    """Keep a question for its whole time from now."""
    return LeaseTime(seconds=store.leases.renew(lease, me.person.name))


@router.delete("/leases/{lease}", status_code=204, responses=answers(404, 507))
def release(store: Answers, me: Annotator, lease: SerialInPath) -> None:
    """Give a question back unanswered."""
    store.leases.release(lease, me.person.name)


async def _hand(request: Request, me: SignedIn, body: NextBody, *, practice: bool) -> NextQuestion:
    station, places = station_of(request), me.person.may("operator")
    store = await asyncio.to_thread(lambda: station.store)
    reviewing = ReviewQuestions(station.home, store, station.media, places=places)
    found = await reviewing.next(me.person.name, QuestionFilter(body.run, body.task), body.have, practice)
    return NextQuestion.model_validate({"question": found})
