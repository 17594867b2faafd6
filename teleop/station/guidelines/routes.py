"""Guidelines: an annotator's instructions for a task, the way to practice questions, and the editor."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.feedback.assignment.task_settings import LONGEST_GUIDELINES
from robo_rlhf.feedback.axes import MOST
from robo_rlhf.feedback.queries import practice_counts, tasks_to_read
from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.reasons.suggestions import suggestions_for
from robo_rlhf.feedback.store import Store
from teleop.station.guidelines.reasons import NewReasons, list_on_page
from teleop.station.operate import launch_options
from teleop.station.web.auth import Me, SignedIn, principal_of, requires, station_of
from teleop.station.web.markdown import as_html
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("guidelines", "Guidelines", "/guidelines", order=10, group="team")
router = APIRouter()
Writer = Annotated[SignedIn, Depends(requires("operator"))]


class NewGuidelines(BaseModel):
    """A new version of a task's guidelines."""

    model_config = ConfigDict(extra="forbid")
    task: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=LONGEST_GUIDELINES)]


class NewAxes(BaseModel):
    """The named axes of a task; none: the usual ones."""

    model_config = ConfigDict(extra="forbid")
    task: Annotated[str, Field(min_length=1, max_length=200)]
    axes: Annotated[list[str], Field(max_length=MOST)]


@router.get("/guidelines")
def page(request: Request, me: Me, task: str = "") -> Response:
    """Show the guidelines of a task; without one, the tasks with guidelines or practice questions."""
    task, store = task[:200], station_of(request).store
    practice = practice_counts(store.database)
    found = store.tasks.guidelines(task) if task else None
    return render(
        request,
        "guidelines/guidelines.html",
        task=task,
        tasks=[] if task else _tasks(store, practice),
        practice=practice.get(task, 0),
        guidelines=found,
        html=as_html(found.text) if found is not None else "",
        axes=store.tasks.axes(task) if task else (),
        may_write=me.person.may("operator") and bool(task),
        longest=LONGEST_GUIDELINES,
        reasons=list_on_page(store, task) if task else None,
        most_axes=MOST,
        data={"task": task, "person": me.person.name},
    )


@router.post("/api/guidelines")
def write(request: Request, body: NewGuidelines, me: Writer) -> dict[str, Any]:
    """Write a new version; earlier ones are kept."""
    tasks, by = station_of(request).store.tasks, principal_of(request)
    found = tasks.write_guidelines(body.task, body.text, by.name, address=by.address)
    return {"version": found.version}


@router.get("/api/guidelines/suggestions")
def suggestions(request: Request, _: Writer, task: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
    """Return what people's notes about a task suggest as reasons."""
    found = suggestions_for(station_of(request).store, task)
    return {"suggestions": [one._asdict() for one in found]}


@router.post("/api/guidelines/reasons")
def set_reasons(request: Request, body: NewReasons, me: Writer) -> dict[str, Any]:
    """Set the list of reasons of a task."""
    given = [Reason(one.name, one.axis, one.direction) for one in body.reasons]
    found = station_of(request).store.tasks.set_reasons(body.task, given, by=principal_of(request))
    return {"reasons": [reason.as_json() for reason in found]}


@router.post("/api/guidelines/axes")
def change_axes(request: Request, body: NewAxes, me: Writer) -> dict[str, Any]:
    """Set what clips of a task are compared by, in questions along axes that are asked from now on."""
    found = station_of(request).store.tasks.set_axes(body.task, body.axes, by=principal_of(request))
    return {"axes": list(found)}


def _tasks(store: Store, practice: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the guidelines and practice questions of each task."""
    about = {choice.name: choice.about for choice in launch_options.tasks()}
    return [
        {
            "name": name,
            "about": about.get(name, ""),
            "written": store.tasks.guidelines(name) is not None,
            "practice": practice.get(name, 0),
        }
        for name in tasks_to_read(store.database)
    ]
