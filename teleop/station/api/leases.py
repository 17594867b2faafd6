"""Leases: each question is assigned to one annotator for a limited time."""

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
    """The questions that the annotator accepts."""

    run: Name | None = Field(default=None, description="Only of this run.")
    task: Name | None = Field(default=None, description="Only of this task.")
    have: list[Serial] = Field(
        default=[],
        max_length=20,
        description="Leases that the program holds. A live one that is not among them is assigned again.",
    )


class ShownClip(Shape):
    """A clip as it is shown."""

    name: str = Field(description="Its name in answers.", examples=["B"])
    label: str = Field(description="Its name on the screen, from left to right.", examples=["A"])
    id: str
    address: str = Field(description="Address of its video, at this station.")
    fps: float = Field(description="Frames a second.")
    frames: int
    start: int = Field(description="First step in its episode; 0 for those who may not drive.")
    source: str = Field(description="Its dataset, within the data home; empty for those who may not drive.")
    episode: str = Field(description="Empty for those who may not drive: hidden from other annotators.")


class ControlShape(Shape):
    """One control of the answer."""

    label: str = Field(examples=["A is better"])
    key: str = Field(description="As KeyboardEvent.key.", examples=["1"])
    value: dict[str, Any] = Field(description="The answer that it gives.", examples=[{"choice": "B"}])
    part: bool = Field(description="The value is a part of an answer.")
    span: tuple[int, int] | None = Field(description="Of a number in the value: the least and the most.")


class ListedReason(Shape):
    """A reason on the list of the task, to be given beside an answer: {"reasons": [{"reason": its name}]}."""

    name: str
    axis: str = Field(description="Whose reward it trains; empty: the whole, where a moment is marked.")
    direction: str = Field(description="Of the clip that it is about, along the axis: worse or better.")
    key: str


class LeasedQuestion(Shape):
    """A question that is assigned to you for a limited time."""

    lease: int = Field(description="To be sent with the answer.")
    question: str
    kind: str
    prompt: str
    layout: str = Field(description="How an answer is put together.", examples=["choice"])
    task: str
    about: str
    axes: list[str] = Field(description="What is judged, each by itself; empty where it is the whole.")
    practice: bool = Field(description="The response to your answer contains the right answer.")
    seconds: float = Field(description="Remaining time [s].")
    controls: list[ControlShape]
    reasons: list[ListedReason]
    objects: list[str] = Field(description="What a reason may name as its object.", examples=[["cube", "bin"]])
    clips: list[ShownClip] = Field(description="In the order in which to show them.")


class NextQuestion(Shape):
    """The next question."""

    question: LeasedQuestion | None = Field(description="Null where there is none for you.")


class LeaseShape(Shape):
    """A question that is assigned to you."""

    lease: int
    question: str
    shown: str = Field(description="The names of its clips, in the order in which to show them.", examples=["BA"])
    seconds: float = Field(description="Remaining time [s].")


class LeaseRows(Items[LeaseShape]):
    """Questions that are assigned to you, oldest first."""


class LeaseTime(Shape):
    """The remaining time of a lease."""

    seconds: Annotated[float, Field(description="[s]; 0 where it has run out and the question is others'.")]


@router.get("/leases", responses=answers())
def list_leases(store: Answers, me: Annotator) -> LeaseRows:
    """List the questions that are assigned to you."""
    held = store.leases.held_by(me.person.name)
    return LeaseRows(
        items=[LeaseShape(lease=h.lease, question=h.question.id, shown=h.shown, seconds=h.seconds) for h in held]
    )


@router.post("/leases", responses=answers(*BODY))
async def next_question(request: Request, me: Annotator, body: NextBody) -> NextQuestion:
    """Get the next question; it is assigned to you for a limited time, and then to others."""
    return await _hand(request, me, body, practice=False)


@router.post("/practice", responses=answers(*BODY), tags=["practice"])
async def next_practice(request: Request, me: Annotator, body: NextBody) -> NextQuestion:
    """Get the next question to practise with: the response to the answer contains the right one."""
    return await _hand(request, me, body, practice=True)


@router.post("/leases/{lease}/renew", responses=answers())
def renew(store: Answers, me: Annotator, lease: SerialInPath) -> LeaseTime:
    """Renew a lease: its whole time starts now."""
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
