"""The arena: policies compared blindly, on the same seeds, and their standings."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.feedback.arena.arena import MOST_JUDGES, MOST_POLICIES, MOST_SEEDS
from teleop.input.key_bindings import Binding
from teleop.station.arena.arenas import Arenas
from teleop.station.operate import launch_options
from teleop.station.web.auth import SignedIn, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page(
    "arena",
    "Arena",
    "/arena",
    order=6,
    group="learn",
    role="operator",
    about="Let two policies do the same things, and people say which did better without knowing which is which.",
    call="Compare policies",
)
KEYS = (
    Binding("judge", "Judge", "page", ("KeyJ",)),
    Binding("weigh", "Weigh judges by their reliability", "page", ("KeyW",)),
    Binding("names", "Show the names", "page", ("KeyN",)),
    Binding("on", "Go on", "page", ("KeyG",)),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
router = APIRouter()
Operator = Annotated[SignedIn, Depends(requires("operator"))]
Seeds = Annotated[int, Field(ge=1, le=MOST_SEEDS)]
Policies = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(fail_fast=True, max_length=MOST_POLICIES)]


class NewArena(BaseModel):
    """A new arena."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=80)]
    task: Annotated[str, Field(min_length=1, max_length=200)]
    policies: Policies
    seeds: Seeds = 20
    judge: Literal["human", "simulated"] = "human"
    judges: Annotated[int, Field(ge=1, le=MOST_JUDGES)] = 1


class ArenaExtension(BaseModel):
    """Additional policies and seeds of an arena; empty: it only continues."""

    model_config = ConfigDict(extra="forbid")
    policies: Policies = []
    seeds: Seeds | None = None


@router.get("/arena")
def page(request: Request, me: Operator) -> Response:
    """Show the arenas, and the form that starts one."""
    return render(request, "arena/arenas.html", data=_choices(request))


@router.get("/arena/{name}")
def one(request: Request, name: str, me: Operator) -> Response:
    """Show one arena; an address of none shows that there is none."""
    _arenas(request).view(name, me.person.name)
    data = {**_choices(request), "name": name, "keys": [asdict(binding) for binding in KEYS]}
    return render(request, "arena/arena.html", page=PAGE, name=name, data=data)


@router.get("/api/arenas")
def listed(request: Request, me: Operator) -> dict[str, Any]:
    """Return a line for each arena."""
    return {"arenas": _arenas(request).lines(me.person.name)}


@router.get("/api/arenas/{name}")
def stands(request: Request, name: str, me: Operator, weighted: bool = False) -> dict[str, Any]:
    """Return the standings of an arena, under cover names for annotators who may judge in it."""
    return _arenas(request).view(name, me.person.name, weighted=weighted)


@router.post("/api/arenas")
def start(request: Request, body: NewArena, me: Operator) -> dict[str, Any]:
    """Start an arena in a separate process."""
    if launch_options.task(body.task) is None:
        raise NotFoundError("task", body.task, "Choose one of those in the list.")
    _arenas(request).start(body.name, body.task, body.policies, body.seeds, body.judge, body.judges)
    return {"address": f"/arena/{body.name}"}


@router.post("/api/arenas/{name}/more")
def more(request: Request, name: str, body: ArenaExtension, me: Operator) -> dict[str, Any]:
    """Continue an arena, with more policies or seeds."""
    _arenas(request).go_on(name, body.policies, body.seeds)
    return {"address": f"/arena/{name}"}


@router.post("/api/arenas/{name}/names")
def names(request: Request, name: str, me: Operator) -> dict[str, bool]:
    """Show a person the names before the judging is over; their answers from now on do not count."""
    _arenas(request).show_names(name, me.person.name)
    return {"shown": True}


def _choices(request: Request) -> dict[str, Any]:
    return {
        "tasks": [task._asdict() for task in launch_options.tasks()],
        "policies": [policy._asdict() for policy in launch_options.policies(station_of(request).home)],
        "most": {"seeds": MOST_SEEDS, "judges": MOST_JUDGES, "policies": MOST_POLICIES},
    }


def _arenas(request: Request) -> Arenas:
    return station_of(request).arenas
