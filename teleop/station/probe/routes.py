"""The probe page: a policy's action at any frame, its what-if rollouts, and the reward model's values."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from teleop.policy_probe.messages import LONGEST, SHORTEST, FrameRef
from teleop.station.media.file_responses import GoneError, respond, unless_gone
from teleop.station.media.films import NoPictureError
from teleop.station.media.media import POSES, CameraView
from teleop.station.operate import launch_options
from teleop.station.probe.keys import KEYS
from teleop.station.probe.view import ProbeView
from teleop.station.web.auth import Me, SignedIn, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page(
    "ask",
    "Ask",
    "/ask",
    order=7,
    group="learn",
    about="Stop any episode at any frame and see what a policy would do there, and the outcome of its rollouts.",
    call="Ask a policy",
    key="KeyA",
)
GONE = 499  # status of an answer that no client waits for any more
router = APIRouter()
Text = Annotated[str, Query(max_length=400)]
Seconds = Annotated[float, Field(ge=SHORTEST, le=LONGEST)]


class FrameBody(BaseModel):
    """A frame of an episode, and its view."""

    model_config = ConfigDict(extra="forbid")
    dataset: Annotated[str, Field(max_length=200)]
    episode: Annotated[str, Field(max_length=128)]
    frame: Annotated[int, Field(ge=0, lt=2**31)]
    policy: Annotated[str, Field(min_length=1, max_length=400)]
    camera: Annotated[str, Field(max_length=200)] = "front"
    width: int = 640
    picture: bool = True  # whether one is wanted: pages that draw it themselves take the annotations only
    page: Annotated[str, Field(max_length=64)] = ""  # id of the page that asks, among one person's

    @property
    def at(self) -> FrameRef:
        """The frame."""
        return FrameRef(self.dataset, self.episode, self.frame)

    @property
    def view(self) -> CameraView | None:
        """How it is looked at; None where no picture is wanted."""
        return CameraView(self.camera, self.width) if self.picture else None


class RolloutBody(FrameBody):
    """The horizon, and the reward model."""

    seconds: Seconds = 3.0
    reward: Annotated[str, Field(max_length=400)] = ""


class ComparisonBody(BaseModel):
    """Two policies and the frame from which they are compared."""

    model_config = ConfigDict(extra="forbid")
    dataset: Annotated[str, Field(max_length=200)]
    episode: Annotated[str, Field(max_length=128)]
    frame: Annotated[int, Field(ge=0, lt=2**31)]
    policy: Annotated[str, Field(min_length=1, max_length=400)]
    other: Annotated[str, Field(min_length=1, max_length=400)]
    seconds: Seconds = 3.0
    page: Annotated[str, Field(max_length=64)] = ""


@router.get("/ask")
async def page(request: Request, me: Me) -> Response:
    """Show the page; its parameters are in the address, which the page's script reads."""
    station = station_of(request)
    station.thinking.warm()
    data = {
        **await _choices(request),
        "keys": [asdict(binding) for binding in KEYS],
        "mayDrive": me.person.may("operator"),
        "seconds": [SHORTEST, LONGEST],
    }
    return render(request, "probe/probe.html", data=data, page=PAGE)


@router.get("/api/ask/choices")
async def choose(request: Request) -> dict[str, Any]:
    """Return the current tasks, policies and reward models."""
    return await _choices(request)


@router.get("/api/ask/look")
async def predict_actions(request: Request, asked: Annotated[FrameBody, Query()], me: Me) -> Any:
    """Return the policy's action at a frame, as numbers and as a picture with arrows."""
    return await _response(
        request, _probe_view(request, me, asked.page).predict_actions(asked.at, asked.policy, asked.view)
    )


@router.get("/api/ask/predict")
async def roll_out(request: Request, asked: Annotated[RolloutBody, Query()], me: Me) -> Any:
    """Return the what-if rollouts of the policy from a frame on, and a picture of the paths."""
    work = _probe_view(request, me, asked.page).roll_out(
        asked.at, asked.policy, asked.view, asked.seconds, asked.reward
    )
    return await _response(request, work)


@router.get("/api/ask/judge")
async def predict_reward(request: Request, dataset: Text, episode: Text, reward: Text, me: Me, page: Text = "") -> Any:
    """Return a reward model's value of each step of an episode."""
    return await _response(request, _probe_view(request, me, page).predict_reward(dataset, episode, reward))


@router.post("/api/ask/compare")
async def compare(request: Request, body: ComparisonBody, me: Me) -> dict[str, Any]:
    """Record what two policies would do from a frame on, and ask annotators which is better."""
    at = FrameRef(body.dataset, body.episode, body.frame)
    policies = (body.policy, body.other)
    return await _probe_view(request, me, body.page).compare(at, policies, body.seconds, me.person.name)


@router.get("/ask/poses/{name}")
async def poses(request: Request, name: str, me: Me) -> Response:
    """Send the poses of a what-if rollout."""
    return Response(await _probe_view(request, me, "").poses(name), media_type=POSES)


@router.api_route("/ask/clip/{name}", methods=["GET", "HEAD"])
async def clip(request: Request, name: str, me: Me, view: Annotated[CameraView, Depends()]) -> Response:
    """Send the clip of a what-if rollout."""
    try:
        content = await unless_gone(request, _probe_view(request, me, "").clip(name, view))
    except GoneError:
        return Response(status_code=GONE)
    except NoPictureError as error:
        return JSONResponse({"error": str(error), "code": error.code}, 410)
    return respond(request, content, immutable=True)


async def _response(request: Request, work: Any) -> Any:
    """Return an answer; it is cancelled when the client has disconnected."""
    try:
        return await unless_gone(request, work)
    except GoneError:
        return Response(status_code=GONE)


def _probe_view(request: Request, me: SignedIn, page: str) -> ProbeView:
    return ProbeView(station_of(request), (me.person.id, page))


async def _choices(request: Request) -> dict[str, Any]:
    home = station_of(request).home
    found = await asyncio.to_thread(lambda: (launch_options.policies(home), launch_options.rewards(home)))
    return {
        "tasks": [task._asdict() for task in launch_options.tasks()],
        "policies": [policy._asdict() for policy in found[0]],
        "rewards": [reward._asdict() for reward in found[1]],
    }
