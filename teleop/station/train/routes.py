"""The train page: from demonstrations and answers to a policy, without a shell."""

import shlex
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.feedback.assignment.assign import QuestionFilter
from robo_rlhf.feedback.assignment.my_progress import waiting
from robo_rlhf.pipeline.demonstrations import ENOUGH
from robo_rlhf.sim.external.ids import is_outside
from teleop.input.key_bindings import Binding
from teleop.station.monitor.runs import LONGEST_TITLE
from teleop.station.train.choices import DatasetChoice, dataset_choices, task_names, usual
from teleop.station.train.progress import SIZES, expected_seconds, progress
from teleop.station.train.queue import MOST_AT_ONCE, Job, TrainingQueue
from teleop.station.web.auth import ForbiddenError, SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

MOST_LABELS, MOST_ROUNDS, MOST_DEMOS, MOST_MINUTES, SHOWN = 5000, 20, 1000, 480, 100  # the last: runs in the list
PACE = 6.0  # [s] that a person takes for an answer
ARENA = "arena"  # the kind of a run that compares policies and trains nothing
REPORT = "report.html"  # in the folder of a run
PAGE = Page(
    "train",
    "Train",
    "/train",
    order=4,
    group="learn",
    role="operator",
    about="Turn demonstrations and answers into a policy: it works while you do something else.",
    call="Train",
    key="KeyT",
)
KEYS = (
    Binding("review", "Review", "page", ("KeyV",)),
    Binding("compare", "Compare the chosen runs", "page", ("KeyC",)),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
LOGGED = {
    "rename": "run renamed",
    "stop": "training stopped",
    "resume": "training continued",
    "delete": "run deleted",
    "restore": "run restored",
    "purge": "run purged",
}
router = APIRouter()
Operator = Annotated[SignedIn, Depends(requires("operator"))]


class NewTraining(BaseModel):
    """A training: choices from lists, and bounded numbers."""

    model_config = ConfigDict(extra="forbid")
    task: Annotated[str, Field(min_length=1, max_length=200)]
    dataset: Annotated[str, Field(min_length=1, max_length=400)]
    demos: Annotated[int | None, Field(ge=1, le=MOST_DEMOS)] = None
    answers: Literal["people", "simulated"] = "people"
    labels: Annotated[int, Field(ge=1, le=MOST_LABELS)] = 60
    rounds: Annotated[int | None, Field(ge=1, le=MOST_ROUNDS)] = None  # people answer while the policy practises
    size: Literal["default", "quick", "tiny"] = "default"
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = 15  # of work, where the size is the default


class NewPlan(BaseModel):
    """A plan of a task, from the demonstrations in a dataset."""

    model_config = ConfigDict(extra="forbid")
    task: Annotated[str, Field(min_length=1, max_length=200)]
    dataset: Annotated[str, Field(min_length=1, max_length=400)]
    target: Annotated[int, Field(ge=1, le=99)] = 90  # success [%]


class RunAct(BaseModel):
    """What is done with a run."""

    model_config = ConfigDict(extra="forbid")
    act: Literal["stop", "resume", "delete", "restore", "purge", "rename"]
    title: Annotated[str, Field(max_length=LONGEST_TITLE)] = ""


@router.get("/train")
def page(request: Request, me: Operator, task: str = "", dataset: str = "") -> Response:
    """Show the form, and what is queued, at work and done."""
    asked = {"task": task[:200], "dataset": dataset[:400]}
    data = {"keys": [asdict(binding) for binding in KEYS], "asked": asked, **_choices(request, me)}
    return render(request, "train/train.html", page=PAGE, data=data)


@router.get("/api/train")
def listed(request: Request, me: Operator) -> dict[str, Any]:
    """Return what is queued, at work and done, and what is in the trash."""
    queue = station_of(request).training
    jobs = [job for job in queue.jobs() if job.line is None or job.line.kind != ARENA]
    trash = [{"name": one.run, "mayChange": _may(me, one.person)} for one in queue.trash()]
    return {"runs": [_view(request, me, job, jobs) for job in jobs[:SHOWN]], "trash": trash, "slots": queue.slots}


@router.post("/api/train")
def start(request: Request, body: NewTraining, me: Operator) -> dict[str, Any]:
    """Queue a training."""
    queue = station_of(request).training
    training = queue.start(me.person.name, body.task, _options(request, me, body))
    station_of(request).people.audit.write(
        principal_of(request), "training started", f"{training.run}: {shown_command(training.options)}"
    )
    return {"run": training.run, "state": queue.job(training.run).state}


@router.post("/api/train/command")
def command(request: Request, body: NewTraining, me: Operator) -> dict[str, Any]:
    """Return the command that a training would start, and how long it would take."""
    queue = station_of(request).training
    seconds, like = expected_seconds(queue.runs, queue.jobs(), body.task, body.size, body.minutes)
    people = PACE * body.labels if body.answers == "people" else 0.0
    return {
        "command": shown_command(_options(request, me, body)),
        "seconds": seconds,
        "like": like,
        "people": people,
        "pace": PACE,
    }


@router.get("/api/train/plan")
def plan(request: Request, me: Operator, task: str, dataset: str) -> dict[str, Any]:
    """Return the newest plan of a task beside a dataset, in words, and whether one is being made."""
    _check_choice(request, me, task, dataset)
    found = station_of(request).plans.view(task, dataset)
    return {**found, "why": station_of(request).outward(found["why"])}


@router.post("/api/train/plan")
def make_plan(request: Request, body: NewPlan, me: Operator) -> dict[str, bool]:
    """Begin a plan; it takes a minute."""
    _check_choice(request, me, body.task, body.dataset)
    station_of(request).plans.make(body.task, body.dataset, body.target)
    return {"begun": True}


@router.post("/api/train/runs/{run}")
def act(request: Request, run: str, body: RunAct, me: Operator) -> dict[str, bool]:
    """Stop, continue, rename or delete a run: operators those that they asked for, administrators all."""
    queue = station_of(request).training
    known = queue.records.get(run)
    if body.act not in ("restore", "purge"):
        queue.job(run)
    if not _may(me, known.person if known is not None else ""):
        raise ForbiddenError("administrator")
    does = {"stop": queue.stop, "delete": queue.delete, "restore": queue.restore, "purge": queue.purge}
    if body.act == "resume":
        queue.resume(run, me.person.name)
    elif body.act == "rename":
        queue.runs.describe(run, title=body.title.strip())
    else:
        does[body.act](run)
    about = f"{run}: {body.title.strip()}" if body.act == "rename" else run
    station_of(request).people.audit.write(principal_of(request), LOGGED[body.act], about)
    return {"done": True}


def shown_command(options: Iterable[str]) -> str:
    """Return the command of a training as one types it in the folder of the data home."""
    return shlex.join(["robo-rlhf", "run", *options])


def _check_choice(request: Request, me: SignedIn, task: str, dataset: str) -> DatasetChoice:
    """Return the dataset that was chosen for a task.

    Raises:
        NotFoundError: no such task, or no dataset with demonstrations of it.
    """
    found = dataset_choices(station_of(request).library, me.person.name)
    if task not in {one["name"] for one in task_names(found)}:
        raise NotFoundError("task", task, "Choose one of those in the list.")
    chosen = next((one for one in found.get(task, []) if one.name == dataset), None)
    if chosen is None:
        raise NotFoundError(f"dataset with successes of {task}", dataset, "Choose one of those in the list.")
    return chosen


def _options(request: Request, me: SignedIn, body: NewTraining) -> list[str]:
    """Return the options of `robo-rlhf run`.

    Raises:
        NotFoundError: no such task, or no dataset with demonstrations of it.
        InvalidValueError: more demonstrations than there are, or fewer questions than rounds.
    """
    dataset = _check_choice(request, me, body.task, body.dataset)
    if body.demos is not None and body.demos > dataset.successes:
        raise InvalidValueError(
            "demonstrations", body.demos, f"at most the {dataset.successes} that {body.dataset} holds"
        )
    if body.rounds is not None and body.labels < body.rounds:
        raise InvalidValueError("labels", body.labels, f"at least one a round, {body.rounds}")
    options = ["--env" if is_outside(body.task) else "--task", body.task, "--dataset", body.dataset]
    options += ["--demos", str(body.demos)] if body.demos is not None else []
    options += ["--annotator", "human" if body.answers == "people" else "simulated"]
    options += ["--labels", str(body.labels), *(["--rounds", str(body.rounds)] if body.rounds else [])]
    return [*options, *(["--minutes", str(body.minutes)] if body.size == "default" else ["--preset", body.size])]


def _choices(request: Request, me: SignedIn) -> dict[str, Any]:
    found = dataset_choices(station_of(request).library, me.person.name)
    return {
        "tasks": task_names(found),
        "datasets": {task: [one.to_json() for one in listed] for task, listed in found.items()},
        "usual": {task: usual(listed) for task, listed in found.items()},
        "sizes": {name: size._asdict() for name, size in SIZES.items()},
        "most": {
            "labels": MOST_LABELS,
            "rounds": MOST_ROUNDS,
            "minutes": MOST_MINUTES,
            "atOnce": MOST_AT_ONCE,
            "enough": ENOUGH,
        },
    }


def _may(me: SignedIn, person: str) -> bool:
    return me.person.may("administrator") or me.person.name == person


def _view(request: Request, me: SignedIn, job: Job, jobs: list[Job]) -> dict[str, Any]:
    station = station_of(request)
    queue: TrainingQueue = station.training
    line, options = job.line, job.training.options if job.training is not None else ()
    task = (job.training.task if job.training is not None else "") or (line.task if line is not None else "")
    size, minutes = "default", "15"
    if job.training is not None:
        size, minutes = job.training.option("--preset") or "default", job.training.option("--minutes") or "15"
    at_work = job.state in ("starting", "working", "waiting", "stopping", "stopped", "failed")
    size = size if size in SIZES else "default"
    seconds, _ = expected_seconds(queue.runs, jobs, task, size, float(minutes)) if at_work else (0.0, "")
    far = progress(queue.runs, job, seconds)
    asks = (
        waiting(station.store.database, me.person.name, QuestionFilter(run=job.name)) if job.state == "waiting" else 0
    )
    return {
        "name": job.name,
        "title": line.title if line is not None else "",
        "state": job.state,
        "why": station.outward(job.why),
        "person": job.person,
        "task": task,
        "command": shown_command(options) if options else "",
        "mayChange": _may(me, job.person),
        "share": round(far.share, 3),
        "words": far.words,
        "left": far.left,
        "before": line.before if line is not None else None,
        "after": line.after if line is not None else None,
        "changed": line.changed if line is not None else job.training.asked if job.training is not None else 0.0,
        "questions": asks,
        "report": (queue.runs.home / job.name / REPORT).is_file(),
    }
