"""The live signal: watch a policy, live or recorded, and press + or - when something good or bad happens."""

import asyncio
import re
import time
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from robo_rlhf.data.layout import list_datasets
from robo_rlhf.feedback.live_signal.in_time import check_in_time
from robo_rlhf.feedback.live_signal.signals import LATEST, Signal
from teleop.station.operate import launch_options
from teleop.station.operate.session import StationSession
from teleop.station.review.offline_answers import Key, OfflineChange
from teleop.station.signal.keys import KEYS
from teleop.station.web.auth import Me, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

Name = Annotated[str, Field(min_length=1, max_length=200)]
CHECKPOINT = re.compile(r"runs/(.+)/checkpoints/[^/]+")
FOLDER = re.compile(r"runs/(.+)/[^/]+")
PRACTICE = re.compile(r"practice/(.+)")  # what a run practised, see `robo_rlhf.training_tools.viewers`
FRESH = 120.0  # [s] since the newest episode, while a run counts as practising
router = APIRouter()


def news(request: Request) -> str:
    """Return whether a policy drives just now."""
    count = sum(bool(_policy(drive)) for drive in station_of(request).hub.sessions())
    return f"{count} {'policy drives' if count == 1 else 'policies drive'} now" if count else ""


PAGE = Page(
    "signal",
    "Signal",
    "/signal",
    order=8,
    group="learn",
    about="Watch a policy run and press + or − when something good or bad happens: it learns from that too.",
    call="Give a signal",
    key="KeyG",
    news=news,
)


class SentSignal(OfflineChange):
    """A press."""

    dataset: Name
    episode: Name
    sign: Literal[1, -1]
    step: Annotated[float, Field(ge=0, lt=1e9)]
    rate: Annotated[float, Field(ge=1e-3, le=1e6)]  # [steps/s] that were shown
    source: Literal["live", "replay"]
    session: Annotated[str, Field(max_length=64)] = ""
    policy: Annotated[str, Field(max_length=400)] = ""  # a checkpoint within the data home, where one drives
    delay: Annotated[float | None, Field(ge=0, le=LATEST)] = None  # [s] from when the step happened to the press


class RetractedSignal(OfflineChange):
    """A press that is retracted: the one that was sent with the key `press`."""

    press: Key


@router.get("/signal")
async def page(
    request: Request,
    me: Me,
    session: Annotated[str, Query(max_length=64)] = "",
    dataset: Annotated[str, Query(max_length=200)] = "",
    episode: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Show the list of sessions and episodes, or the chosen one."""
    station = station_of(request)
    found = await asyncio.to_thread(launch_options.policies, station.home)
    shown: dict[str, Any] = {"kind": ""}
    if session:
        drive = station.hub.get(session)
        shown = {"kind": "live", "session": session, "policy": drive.begin.policy}
    elif dataset and episode:
        shown = {"kind": "replay", "dataset": dataset, "episode": episode}
    data = {
        "shown": shown,
        "person": me.person.name,
        "mayDrive": me.person.may("operator"),
        "keys": [asdict(binding) for binding in KEYS],
        "policies": [policy._asdict() for policy in found],
    }
    sessions = [_summary(drive) for drive in station.hub.sessions()]
    return render(request, "signal/signal.html", page=PAGE, data=data, sessions=sessions, shown=shown)


@router.get("/api/signal/practice")
def practice(request: Request, me: Me) -> dict[str, Any]:
    """Return the runs that practise just now and are watched, each with the episode that it practised last."""
    home, now = station_of(request).home, time.time()
    found = []
    for name in list_datasets(home):
        run = PRACTICE.fullmatch(name)
        newest = max((home / name / "episodes").glob("*.parquet"), default=None) if run else None
        if run and newest is not None and now - newest.stat().st_mtime < FRESH:
            found.append({"run": run[1], "dataset": name, "episode": newest.stem})
    return {"runs": found}


@router.post("/api/signal/press")
def press(request: Request, body: SentSignal, me: Me) -> dict[str, bool]:
    """Store a press; sent again with the same key it changes nothing. When this answers, it is on the disk."""
    body.check(me)
    check_in_time(station_of(request).home, body.dataset, body.episode, body.step, body.rate)
    signal = Signal(
        annotator=me.person.name,
        run=run_of(body.policy, body.dataset),
        dataset=body.dataset,
        episode_id=body.episode,
        sign=body.sign,
        step=body.step,
        rate=body.rate,
        source=body.source,
        session=body.session,
        delay=body.delay,
    )
    return {"new": station_of(request).store.signals.add(signal, key=body.key)}


@router.post("/api/signal/undo")
def undo(request: Request, body: RetractedSignal, me: Me) -> dict[str, bool]:
    """Retract a press; it stays as a row, and is not trained on any more."""
    body.check(me)
    return {"new": station_of(request).store.signals.take_back(me.person.name, body.press)}


@router.get("/api/signal/list")
def mine(request: Request, me: Me, dataset: Name, episode: Name) -> dict[str, Any]:
    """Return the person's own presses about an episode."""
    found = station_of(request).store.signals.list(dataset=dataset, episode=episode, annotator=me.person.name)
    return {"presses": [{"key": signal.key, "sign": signal.sign, "step": signal.step} for signal in found]}


def run_of(policy: str, dataset: str) -> str:
    """Return the run that a policy is of, or else the one whose recordings the dataset is; empty where neither is."""
    found = CHECKPOINT.fullmatch(policy) or FOLDER.fullmatch(dataset) or PRACTICE.fullmatch(dataset)
    return found[1] if found else ""


def _policy(drive: StationSession) -> str:
    return drive.tick.status.policy if drive.tick is not None else drive.begin.policy


def _summary(drive: StationSession) -> dict[str, Any]:
    return {"id": drive.id, "task": drive.begin.task, "owner": drive.owner, "policy": _policy(drive)}
