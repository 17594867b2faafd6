"""The quality page: the quality of all and of each person's answers, and the settings of assignment."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.feedback.assignment.task_settings import Sharing
from robo_rlhf.rollouts.operator_skill import skill_of_operators
from teleop.input.key_bindings import Binding
from teleop.station.operate import launch_options
from teleop.station.quality.cache import ReportKey
from teleop.station.web.auth import SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

Name = Annotated[str | None, Query(max_length=200)]
Operator = Annotated[SignedIn, Depends(requires("operator"))]
Part = Annotated[float, Field(ge=0, le=1)]
KEYS = (
    Binding("anew", "Work it out anew", "page", ("KeyR",)),
    Binding("settings", "Settings of the task", "page", ("KeyS",)),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
router = APIRouter()


def news(request: Request) -> str:
    """Return the people whose answers need a review, as far as known."""
    station = station_of(request)
    if not station.store.mark():
        return ""
    report = station.quality.of(ReportKey(None, None))["report"] or {}
    warned = [person["name"] for person in report.get("people", ()) if person["warnings"]]
    if not warned:
        return ""
    return f"the answers of {warned[0]} need a look" if len(warned) == 1 else f"answers of {len(warned)} need a look"


PAGE = Page(
    "quality",
    "Quality",
    "/quality",
    order=9,
    group="team",
    role="operator",
    about="See how far people agree, with each other, with themselves and with what is known.",
    call="Quality",
    key="KeyQ",
    news=news,
)


class SharingChanges(BaseModel):
    """Settings that are to change; the others stay. null removes the task's setting."""

    model_config = ConfigDict(extra="forbid")
    overlap: Annotated[int, Field(ge=1, le=1000)] | None = None
    lease: Annotated[float, Field(ge=1, le=86400)] | None = None
    gold_share: Annotated[float, Field(ge=0, le=0.5)] | None = None
    repeat_share: Annotated[float, Field(ge=0, le=0.5)] | None = None
    repeat_gap: Annotated[int, Field(ge=1, le=10**6)] | None = None
    too_fast: Annotated[float, Field(ge=0, le=60)] | None = None
    least_gold: Part | None = None
    most_too_fast: Part | None = None
    most_ties: Part | None = None
    least_consistent: Part | None = None
    least_skill: Part | None = None


class SharingChangeBody(BaseModel):
    """The settings of a task, or with "" the default of all tasks."""

    model_config = ConfigDict(extra="forbid")
    task: Annotated[str, Field(max_length=200)]
    settings: SharingChanges
    asked: bool = False  # whether the overlap holds for questions, too, that were asked before


@router.get("/quality")
def page(request: Request, me: Operator, run: Name = None, task: Name = None) -> Response:
    """Show the page; the figures come by themselves."""
    data = {"keys": [asdict(binding) for binding in KEYS], "run": run or "", "task": task or ""}
    return render(request, "quality/quality.html", data=data, page=PAGE)


@router.get("/api/quality")
def quality(
    request: Request, me: Operator, run: Name = None, task: Name = None, anew: Annotated[bool, Query()] = False
) -> dict[str, Any]:
    """Return the cached quality report of the answers; a newer one is computed meanwhile."""
    station = station_of(request)
    found = station.quality.of(ReportKey(run or None, task or None), anew=anew)
    named = {*station.store.tasks.settings(), *(choice.name for choice in launch_options.tasks()), task or ""} - {""}
    return {
        **found,
        "settings": asdict(station.store.tasks.sharing(task or "")),
        "own": sorted(station.store.tasks.own(task or "")),
        "else": asdict(station.store.tasks.sharing() if task else Sharing()),
        "known_tasks": sorted(named),
    }


@router.get("/api/quality/operators")
def operators(request: Request, me: Operator, task: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
    """Return how well each person shows a task: success, time and smoothness of their newest demonstrations."""
    return {"operators": [skill.as_json() for skill in skill_of_operators(station_of(request).home, task)]}


@router.post("/api/quality/settings")
def change(request: Request, me: Operator, body: SharingChangeBody) -> dict[str, Any]:
    """Change how a task's questions are assigned, and which answers count as good; logged with the user's name."""
    station = station_of(request)
    wanted, by = body.settings.model_dump(exclude_unset=True), principal_of(request)
    if wanted:
        station.store.tasks.set_sharing(body.task, by=by, **wanted)
    settings, changed = station.store.tasks.sharing(body.task), 0
    if body.asked and "overlap" in wanted:
        changed = station.store.set_overlap(settings.overlap, task=body.task or None, by=by)
    return {"settings": asdict(settings), "questions": changed}
