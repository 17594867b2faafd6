"""The monitor: a list of runs, and of chosen ones the curves, the reward model, the gates and the events."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse, JSONResponse, Response

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.files import run_folder
from robo_rlhf.data.layout import datasets_of, episode_path
from robo_rlhf.database.writers import Database
from robo_rlhf.deploy.monitor import known_state, send
from robo_rlhf.feedback.assignment.my_progress import answered_between
from teleop.input.key_bindings import Binding
from teleop.station.media.file_responses import GoneError, respond, unless_gone
from teleop.station.media.films import NoPictureError
from teleop.station.media.media import CameraView
from teleop.station.monitor.runs import LONGEST_NOTES
from teleop.station.monitor.view import VIDEOS, as_json, run_view
from teleop.station.web.auth import Me, SignedIn, principal_of, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.security import SHUT_IN
from teleop.station.web.templates import render

MOST = 6  # runs that are laid over each other
KEYS = (
    Binding("next", "Next run", "page", ("ArrowDown", "KeyJ")),
    Binding("previous", "Previous run", "page", ("ArrowUp", "KeyK")),
    Binding("choose", "Show or hide the run", "page", ("Space", "Enter")),
    Binding("only", "Show this run alone", "page", ("KeyO",)),
    Binding("all", "All metrics", "page", ("KeyM",)),
    Binding("smooth", "Smoother curves", "page", ("KeyS",)),
    Binding("axis", "Axis: iterations, steps or minutes", "page", ("KeyX",)),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
Name = Annotated[str, Query(max_length=200)]
RunInPath = Annotated[str, Path(max_length=200)]
Operator = Annotated[SignedIn, Depends(requires("operator"))]
router = APIRouter()


class RunNotes(BaseModel):
    """Notes about a run."""

    model_config = ConfigDict(extra="forbid")
    run: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=LONGEST_NOTES)]


class SentMoments(BaseModel):
    """The dataset whose moments that look new are sent on, and where to."""

    model_config = ConfigDict(extra="forbid")
    dataset: Annotated[str, Field(min_length=1, max_length=400)]
    send: Literal["review", "corrections", "training"]


def news(request: Request) -> str:
    """Return the runs that need a person."""
    lines = station_of(request).runs.runs()
    waiting = [line.name for line in lines if line.state == "waiting"]
    failed = [line.name for line in lines if line.state == "failed"]
    working = sum(line.state == "working" for line in lines)
    parts = [f"{len(waiting)} {'run waits' if len(waiting) == 1 else 'runs wait'} for answers"] if waiting else []
    parts += [f"{working} at work"] if working else []
    parts += [f"{len(failed)} failed"] if failed else []
    return ", ".join(parts)


PAGE = Page(
    "monitor",
    "Monitor",
    "/monitor",
    order=5,
    group="learn",
    about="Watch what the runs learn: success, learned and true reward, and what answers are worth.",
    call="Monitor",
    key="KeyM",
    news=news,
)


@router.get("/monitor")
def page(request: Request, me: Me, run: Annotated[list[str], Query()] = []) -> Response:  # noqa: B006
    """Show the page; the curves come by themselves."""
    data = {
        "keys": [asdict(binding) for binding in KEYS],
        "chosen": [name[:200] for name in run[:MOST]],
        "most": MOST,
        "mayNote": me.person.may("operator"),
        "runs": [as_json(line) for line in station_of(request).runs.runs()],
    }
    return render(request, "monitor/monitor.html", data=data, page=PAGE)


@router.get("/api/monitor/runs")
def runs(request: Request, me: Me) -> dict[str, Any]:
    """Return a line for each run."""
    return {"runs": [as_json(line) for line in station_of(request).runs.runs()]}


@router.get("/api/monitor/run")
def run(request: Request, me: Me, name: str, have: Annotated[list[str], Query()] = []) -> dict[str, Any]:  # noqa: B006
    """Return all that is shown of a run. Each `have` is STAGE:EPOCH:ROWS of a curve that the page has already."""
    station = station_of(request)
    line = next((line for line in station.runs.runs() if line.name == name), None)
    if line is None:
        raise NotFoundError("run", name, "It may have been deleted, or never have begun.")
    return {**run_view(station.runs, line, _parsed(have)), "labels": station.labels.of(name)}


@router.get("/monitor/report/{run}")
def report(request: Request, run: RunInPath, me: Me) -> Response:
    """Send the report of a finished run, a page of its own: shut in, because a run's folder may come from anywhere."""
    file = run_folder(station_of(request).home, run) / "report.html"
    if not file.is_file():
        raise NotFoundError("report of the run", run, "It is written when the run is finished.")
    return FileResponse(file, media_type="text/html; charset=utf-8", headers={"content-security-policy": SHUT_IN})


@router.get("/monitor/video/{run}/{name}")
def video(request: Request, run: RunInPath, name: Annotated[str, Path(max_length=200)], me: Me) -> Response:
    """Send a clip of an evaluation that the run's report shows."""
    folder = run_folder(station_of(request).home, run) / VIDEOS
    if name not in {path.name for path in folder.glob("*.mp4")}:
        raise NotFoundError("clip of the run", name, "It is drawn when the run is finished.")
    return FileResponse(folder / name, media_type="video/mp4")


@router.api_route("/monitor/clip/{run}/{dataset}/{episode}", methods=["GET", "HEAD"])
async def clip(
    request: Request,
    run: RunInPath,
    dataset: Literal["evaluations", "episodes"],
    episode: Annotated[str, Path(max_length=200)],
    me: Me,
    poster: bool = False,
) -> Response:
    """Send an episode of an evaluation, or a picture of it."""
    station, view = station_of(request), CameraView()
    path = episode_path(run_folder(station.home, run) / dataset, episode)
    try:
        made = station.media.poster(path, view) if poster else station.media.clip(path, view)
        return respond(request, await unless_gone(request, made))
    except GoneError:
        return Response(status_code=499)
    except FileNotFoundError:
        raise NotFoundError("episode of the run", episode, "It may have been deleted.") from None
    except NoPictureError as error:
        return JSONResponse({"error": str(error), "code": error.code}, 410)


@router.post("/api/monitor/notes")
def notes(request: Request, body: RunNotes, me: Operator) -> dict[str, bool]:
    """Write what people know about a run."""
    station_of(request).runs.describe(body.run, notes=body.text)
    station_of(request).people.audit.write(
        principal_of(request), "run noted", f"{body.run}, {len(body.text)} characters"
    )
    return {"written": True}


@router.get("/api/monitor/in-use")
def in_use(request: Request, me: Me) -> dict[str, Any]:
    """Return what `robo-rlhf monitor` found last of each dataset, alarms first."""
    known = {name: known_state(folder) for name, folder in datasets_of(station_of(request).home).items()}
    found = [{"dataset": name, **state} for name, state in known.items() if state]
    return {"found": sorted(found, key=lambda one: (not one.get("alarm"), one["dataset"]))}


@router.post("/api/monitor/moments")
def moments(request: Request, body: SentMoments, me: Operator) -> dict[str, Any]:
    """Send the moments that look new to review, to corrections, or into the next training set."""
    station = station_of(request)
    where, count = send(station.home, body.dataset, body.send, station.store)
    about = f"{count} of {body.dataset} to {body.send}: {where}"
    station.people.audit.write(principal_of(request), "moments sent", about)
    return {"where": where, "count": count}


@router.get("/api/monitor/learning")
def learning(request: Request, me: Me, run: Name = "", task: Name = "") -> dict[str, Any]:
    """Return the reward model that learns from answers to a run's questions, or about a task, and what answers did."""
    station = station_of(request)
    back = [one for one in station.store.rounds.list(run) if one.state == "rolled back"] if run else []
    text = f"In round {back[-1].round} your answers stopped a policy that was getting worse." if back else ""
    model = station.live_reward.newest(run or None, task or None)
    taken = model.pop("taken") if model else {}
    did = taken_sentence(station.store.database, me.person.name, model["run"], taken) if model and taken else ""
    return {"model": model, "rolledBack": text, "taken": did}


def taken_sentence(database: Database, person: str, run: str, taken: Mapping[str, Any]) -> str:
    """Return what a person's answers in the round did to the reward of a run; empty where they gave none."""
    after, until, changed, of = (int(taken.get(name, 0)) for name in ("after", "until", "changed", "of"))
    count = answered_between(database, person, run, after, until)
    if not count:
        return ""
    are = "Your last answer is in" if count == 1 else f"Your last {count} answers are in"
    about = "question" if of == 1 else "questions"
    did = f"the reward changed its mind about {changed} of {of} {about}" if changed else "the reward thinks as before"
    return f"{are}: {did}."


def _parsed(have: list[str]) -> dict[str, tuple[int, int]]:
    """Return the parsed `have` of a page; malformed ones are ignored."""
    found = {}
    for text in have:
        stage, _, rest = text.partition(":")
        epoch, _, rows = rest.partition(":")
        if epoch.isdigit() and rows.isdigit():
            found[stage] = (int(epoch), int(rows))
    return found
