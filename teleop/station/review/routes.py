"""The review page: clips side by side from one clock, and one key to answer."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from robo_rlhf.feedback.assignment.assign import QuestionFilter
from robo_rlhf.feedback.assignment.my_progress import MOST_WAITING, waiting, workload_of
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.notes import LONGEST_NOTE, Note
from teleop.station.media.file_responses import MOST_BYTES, GoneError, respond, unless_gone
from teleop.station.media.films import NoPictureError
from teleop.station.media.media import CameraView
from teleop.station.review.keys import KEYS
from teleop.station.review.offline_answers import Key, OfflineChange
from teleop.station.review.questions import ReviewQuestions, answer_view, content_of, practice_feedback, recording_of
from teleop.station.web.auth import Me, may_note, station_of, who
from teleop.station.web.bodies import body_of, query_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

Name = Annotated[str, Field(max_length=200)]
Lease = Annotated[int, Field(ge=0, lt=2**63)]
Instant = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 2, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
router = APIRouter()


def news(request: Request) -> str:
    """Return how many questions wait for the user."""
    count = waiting(station_of(request).store.database, request.state.me.person.name, QuestionFilter())
    if not count:
        return ""
    more = " or more" if count >= MOST_WAITING else ""
    return f"{count:,}{more} {'questions wait' if count > 1 else 'question waits'}"


PAGE = Page(
    "review",
    "Review",
    "/review",
    order=2,
    group="review",
    about="Watch clips side by side and say which is better: that is what the reward is learned from.",
    call="Review",
    key="KeyV",
    news=news,
)


class _ReviewBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NextQuestionBody(_ReviewBody):
    """The questions that the annotator accepts."""

    run: Name | None = None
    task: Name | None = None
    have: list[Lease] = Field(default=[], fail_fast=True, max_length=20)
    practice: bool = False


class PaceQuery(BaseModel):
    """The work whose progress is asked for."""

    since: Instant
    run: Name | None = None
    task: Name | None = None


class GivenAnswer(OfflineChange):
    """An answer."""

    question: Name
    lease: Lease
    value: dict[str, Any]
    seconds: Annotated[float | None, Field(ge=0, le=1e6)] = None


class RetractedAnswer(OfflineChange):
    """An answer that is retracted."""

    question: Name
    lease: Lease


class NoteBody(_ReviewBody):
    """A note about a question."""

    question: Name
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]
    key: Key


class LeaseBody(_ReviewBody):
    """One of the person's questions."""

    lease: Lease


class BrokenClip(LeaseBody):
    """A clip that the page could not show."""

    clip: Name


@router.get("/review")
async def page(request: Request, me: Me, run: str = "", task: str = "", practice: bool = False) -> Response:
    """Show the page; the questions come by themselves."""
    data = {
        "keys": [asdict(binding) for binding in KEYS],
        "run": run[:200] or None,
        "task": task[:200] or None,
        "practice": practice,
        "person": me.person.name,
        "mayDrive": me.person.may("operator"),
        "longestNote": LONGEST_NOTE,
    }
    return render(request, "review/review.html", data=data, page=PAGE)


async def next_question(request: Request) -> Response:
    """Assign the next question; `question` is null where there is none.

    It is a POST because it changes something: the question is kept for this person for a time.
    """
    me, body = await who(request), await body_of(request, NextQuestionBody)
    chosen = QuestionFilter(body.run, body.task)
    reviewing = _reviewing(request, places=me.person.may("operator"))
    found = await reviewing.next(me.person.name, chosen, body.have, body.practice)
    return JSONResponse({"question": found})


async def answer(request: Request) -> Response:
    """Store an answer; sent again with the same key it changes nothing, with another body it is refused (409)."""
    me, body = await who(request), await body_of(request, GivenAnswer)
    body.check(me)
    store = station_of(request).store
    sent = SubmittedAnswer(body.question, me.person.name, "human", body.value, body.key, body.seconds, body.lease, None)
    written, known = await store.submit_async(sent), None
    if written.standing == "practice":
        known = await asyncio.to_thread(practice_feedback, store, body.question, body.value)
    return JSONResponse(answer_view(written, known))


async def pace(request: Request) -> Response:
    """Return the person's progress; `since` is when their day began."""
    me, asked = await who(request), query_of(request, PaceQuery)
    database, chosen = station_of(request).store.database, QuestionFilter(asked.run, asked.task)
    found = await database.read_in_thread(
        lambda: workload_of(database, me.person.name, chosen, asked.since.astimezone(UTC))
    )
    return JSONResponse({**asdict(found), "most": MOST_WAITING})


ROUTES = (  # what hundreds of people ask for every second: past what FastAPI does for each request
    Route("/api/review/next", next_question, methods=["POST"]),
    Route("/api/review/answer", answer, methods=["POST"]),
    Route("/api/review/pace", pace, methods=["GET"]),
)


@router.post("/api/review/undo")
def undo(request: Request, body: RetractedAnswer, me: Me) -> dict[str, Any]:
    """Retract an answer; the question is the person's again, for as long as a new one."""
    body.check(me)
    sent = SubmittedAnswer(body.question, me.person.name, "human", None, body.key, None, body.lease, None)
    return answer_view(station_of(request).store.submit(sent), None)


@router.post("/api/review/note")
def note(request: Request, body: NoteBody, me: Me) -> dict[str, Any]:
    """Store a note about a question."""
    may_note(request, me)
    written = Note(me.person.name, "question", body.question, body.text)
    return {"new": station_of(request).store.notes.add(written, key=body.key)}


@router.post("/api/review/renew")
def renew(request: Request, body: LeaseBody, me: Me) -> dict[str, float]:
    """Keep a question for longer; 0 seconds are left where it has gone to others."""
    return {"seconds": station_of(request).store.leases.renew(body.lease, me.person.name)}


@router.post("/api/review/release")
def release(request: Request, body: LeaseBody, me: Me) -> dict[str, bool]:
    """Give a question back unanswered."""
    station_of(request).store.leases.release(body.lease, me.person.name)
    return {"released": True}


@router.post("/api/review/broken")
async def broken(request: Request, body: BrokenClip, me: Me) -> dict[str, bool]:
    """Report a clip that cannot be shown; the station checks it before it withdraws the questions."""
    return {"withdrawn": await _reviewing(request).report(me.person.name, body.lease, body.clip)}


@router.get("/api/review/correction")
async def correction(request: Request, me: Me, lease: int) -> dict[str, Any]:
    """Return the person's correction of a clip as an answer; null where there is none."""
    station = station_of(request)
    held = await asyncio.to_thread(station.store.leases.held_by, me.person.name)
    question = next((handed.question for handed in held if handed.lease == lease), None)
    if question is None:
        return {"value": None}

    def mine() -> list[Any]:
        from teleop.station.library.filters import Query as Filter

        station.library.index.refresh()
        found = station.library.select(Filter()).entries
        return [entry for entry in found if entry.meta.operator == me.person.name and entry.meta.parent]

    value = await _reviewing(request).corrections(question.dataset, question.segments[0], await asyncio.to_thread(mine))
    return {"value": value}


@router.api_route("/review/clip/{name}", methods=["GET", "HEAD"])
async def clip(
    request: Request,
    name: str,
    camera: Annotated[str, Query(max_length=200)] = "front",
    width: int = 480,
    v: str = "",
) -> Response:
    """Send a clip that people are asked about; its address does not reveal its origin."""
    return await _sent(request, name, CameraView(camera, width), immutable=bool(v))


@router.api_route("/review/poses/{name}", methods=["GET", "HEAD"])
async def poses(request: Request, name: str, v: str = "") -> Response:
    """Send the poses of a clip that people are asked about, for pages that draw it themselves."""
    return await _sent(request, name, None, immutable=bool(v))


@router.api_route("/review/seen/{name}", methods=["GET", "HEAD"])
async def seen(request: Request, name: str, start: int = 0, stop: int = 1, v: str = "") -> Response:
    """Send what the policy of a clip saw at frames [start, stop) of it: a row a frame, a column a camera."""
    return await _sent(request, name, (start, stop), immutable=bool(v))


@router.api_route("/review/video/{name}", methods=["GET", "HEAD"])
async def video(request: Request, name: str, camera: Annotated[str, Query(max_length=200)], v: str = "") -> Response:
    """Send what a camera recorded of a clip, or the part of the file that a player asks for."""
    found = await asyncio.to_thread(station_of(request).store.clips.get, name)
    try:
        content = await recording_of(_reviewing(request), found, camera)
    except NoPictureError as error:
        return JSONResponse({"error": str(error), "code": error.code}, 410)
    return respond(request, content, immutable=bool(v), most=MOST_BYTES)


async def _sent(request: Request, name: str, view: CameraView | tuple[int, int] | None, *, immutable: bool) -> Response:
    found = await asyncio.to_thread(station_of(request).store.clips.get, name)
    try:
        content = await unless_gone(request, content_of(_reviewing(request), found, view))
    except GoneError:
        return Response(status_code=499)
    except NoPictureError as error:
        return JSONResponse({"error": str(error), "code": error.code}, 410)
    return respond(request, content, immutable=immutable)


def _reviewing(request: Request, *, places: bool = False) -> ReviewQuestions:
    station = station_of(request)
    return ReviewQuestions(station.home, station.store, station.media, places=places)
