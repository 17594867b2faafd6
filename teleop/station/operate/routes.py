"""The operate page: drive a robot, record episodes, or watch another operator."""

import asyncio
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from robo_rlhf.core.checks import SAMPLES, check_new_dataset
from robo_rlhf.core.errors import InvalidValueError, NotFoundError, NotNowError, UnknownNameError
from robo_rlhf.data.layout import check_id
from robo_rlhf.pipeline.demonstrations import ENOUGH
from robo_rlhf.sim.envs.conditions import Conditions, conditions_from
from robo_rlhf.sim.external.ids import is_outside
from teleop.input.key_bindings import KEYS
from teleop.ipc.messages import Begin, Notice, read_page_message
from teleop.station.operate import launch_options
from teleop.station.operate.control_lease import seat_id
from teleop.station.operate.hub import ALONE
from teleop.station.operate.session import StationSession
from teleop.station.operate.viewer import Viewer
from teleop.station.train.choices import DatasetChoice, dataset_choices
from teleop.station.web.auth import Me, SignedIn, open_socket, requires, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page(
    "operate",
    "Operate",
    "/operate",
    order=1,
    group="operate",
    about="Drive the robot. What you do becomes an episode, kept or thrown away with one key.",
    call="Record",
    watching=("See live how others drive the robot. Driving takes the role operator.", "Watch"),
    key="KeyR",
)
OVER, SUPERSEDED = 4404, 4409  # close codes: the session has ended; another connection of this page has come
MOST_PAGES = 8  # of one person that are connected with sessions
router = APIRouter()


class NewSession(BaseModel):
    """The launch options of a session."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    task: Annotated[str, Field(max_length=100)] = ""  # that of the episode, where one is opened
    dataset: Annotated[str, Field(max_length=100)] = ""  # the task's name where empty
    seed: Annotated[int | None, Field(ge=0, lt=2**31)] = None
    policy: Annotated[str, Field(max_length=400)] = ""
    rate: Annotated[float | None, Field(ge=10, le=50)] = None  # [Hz]
    source: Annotated[str, Field(max_length=100)] = ""  # dataset of an episode to resume from
    episode: Annotated[str, Field(max_length=128)] = ""
    frame: Annotated[int, Field(ge=0)] = 0
    mode: Annotated[str, Field(pattern="^(continue|takeover)$")] = "continue"
    conditions: dict[str, float] = {}  # of the real world, by the names of `Conditions`; off where they are missing
    fresh: bool = False  # also where the user's session of this task and dataset is running


@router.get("/operate")
async def start(request: Request, me: Me) -> Response:
    """Show the running sessions, and the form that begins one."""
    station = station_of(request)
    home = station.home
    open_ones = [_summary(drive, me) for drive in station.hub.sessions()]
    recorded = await asyncio.to_thread(_recorded, request, me, request.query_params.get("ended", "")[:400])
    found = await asyncio.to_thread(lambda: (launch_options.datasets(home), launch_options.policies(home)))
    names = [*NewSession.model_fields, *(field.name for field in fields(Conditions)), "start"]
    asked = {name: request.query_params.get(name, "") for name in names}
    named = None if "@" in asked["task"] else launch_options.world(asked["task"], station.environments)
    outside = [launch_options.world(name, station.environments) for name in station.environments]
    choices = dict.fromkeys(one for one in [*launch_options.tasks(), *outside, named] if one is not None)
    data = {
        "tasks": [task._asdict() for task in choices],
        "robots": launch_options.robots(),
        "datasets": found[0],
        "policies": [policy._asdict() for policy in found[1]],
        "asked": asked,
        "conditions": asdict(Conditions()),
        "mayDrive": me.person.may("operator"),
    }
    return render(
        request,
        "operate/start.html",
        page=PAGE,
        data=data,
        sessions=open_ones,
        recorded=recorded,
        enough=ENOUGH,
        alone=round(ALONE / 60),
    )


@router.post("/operate")
async def begin(request: Request, body: NewSession, me: Annotated[SignedIn, Depends(requires("operator"))]) -> Any:
    """Begin a session, or find the user's running one; answer its address."""
    station = station_of(request)
    task, opens, allowed = body.task, None, [*station.environments]
    if body.episode:
        opens = (body.source, check_id(body.episode), body.frame, body.mode)
        recorded, enters = await asyncio.to_thread(_opened, station.home, *opens[:2])
        task = task or recorded
        allowed = [*allowed, recorded] if enters and is_outside(recorded) else allowed
    if launch_options.world(task, allowed) is None:
        _refuse(task)
    conditions = conditions_from(body.conditions)
    dataset = body.dataset or task
    _check_dataset(dataset)
    mine = [drive for drive in station.hub.sessions() if drive.owner == me.person.name]
    for drive in mine:
        alike = (drive.begin.task, drive.begin.dataset, drive.begin.conditions) == (task, dataset, conditions)
        if opens is None and not body.fresh and alike:
            return {"address": f"/operate/{drive.id}", "session": drive.id}
    drive = await station.hub.open(
        Begin(
            home=station.home,
            dataset=dataset,
            task=task,
            operator=me.person.name,
            seed=body.seed,
            rate=body.rate,
            policy=body.policy,
            open=opens,
            conditions=conditions,
        )
    )
    return {"address": f"/operate/{drive.id}", "session": drive.id}


@router.get("/operate/{session}")
async def operate(request: Request, session: str, me: Me) -> Response:
    """Show a session."""
    station = station_of(request)
    drive = station.hub.get(session)
    found = await asyncio.to_thread(launch_options.policies, station.home)
    data = {
        "session": session,
        "dataset": drive.begin.dataset,
        "keys": [asdict(binding) for binding in KEYS],
        "tasks": list(
            dict.fromkeys(
                [*(task.name for task in launch_options.tasks()), *station.environments, drive.begin.task],
            )
        ),
        "policies": [policy._asdict() for policy in found],
        "owner": drive.owner,
        "mayDrive": me.person.may("operator"),
        "mayEnd": _may_end(drive, me),
    }
    return render(request, "operate/operate.html", page=PAGE, data=data, drive=drive)


@router.post("/operate/{session}/end")
async def end(request: Request, session: str, me: Annotated[SignedIn, Depends(requires("operator"))]) -> Any:
    """End a session; its open episode is kept, tagged "interrupted"."""
    hub = station_of(request).hub
    if not _may_end(hub.get(session), me):
        raise InvalidValueError("ending the session", me.person.name, f"{hub.get(session).owner}, who began it")
    dataset = hub.get(session).begin.dataset
    await hub.end(session, f"{me.person.name} ended it.")
    return {"address": f"/operate?ended={quote(dataset)}"}


@router.websocket("/operate/{session}/socket")
async def socket(websocket: WebSocket, session: str, key: str) -> None:
    """Connect a page with a session: inputs come in, pictures and events go out."""
    me = await open_socket(websocket)
    if me is None:
        return
    station = station_of(websocket)
    try:
        drive = station.hub.get(session)
    except NotFoundError as error:
        await websocket.close(OVER, str(error)[:120])
        return
    name = me.person.name
    if sum(one.person == name for each in station.hub.sessions() for one in each.viewers) >= MOST_PAGES:
        await websocket.close(OVER, f"{MOST_PAGES} pages of yours are open; close one")
        return
    watcher = Viewer(seat_id(name, key[:100]), name, may_drive=me.person.may("operator"))
    drive.join(watcher)
    try:
        await _run(websocket, drive, watcher)
    finally:
        drive.leave(watcher)


async def _run(websocket: WebSocket, drive: StationSession, watcher: Viewer) -> None:
    """Run the tasks of a connection, until one of them ends."""

    async def send(message: str | bytes) -> None:
        if isinstance(message, bytes):
            await websocket.send_bytes(message)
        else:
            await websocket.send_text(station_of(websocket).outward(message) if "/" in message else message)

    async def receive() -> None:
        while True:
            text = await websocket.receive_text()
            try:
                drive.handle(watcher, read_page_message(text))
            except InvalidValueError as error:
                watcher.send(Notice(f"Something that this page sent was not understood. {error}", "bad"))

    streams = [watcher.stream(drive, drive.pool), watcher.stream_insets(drive, drive.pool)]
    jobs = [receive(), watcher.send_all(send), *streams]
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                task.result()
            except (WebSocketDisconnect, KeyError):
                return  # it is gone, or sent bytes, which no page of ours does
        code = SUPERSEDED if watcher.dismissed == "superseded" else OVER if watcher.dismissed else 1011
        await websocket.close(code, watcher.dismissed)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _summary(drive: StationSession, me: SignedIn) -> dict[str, Any]:
    """Return a session's entry in the list."""
    holder = drive.lease.holder
    kept = drive.tick.status.kept if drive.tick is not None else 0
    return {
        "id": drive.id,
        "task": drive.begin.task,
        "dataset": drive.begin.dataset,
        "owner": drive.owner,
        "driver": holder.person if holder is not None and drive.lease.present else "",
        "mine": drive.owner == me.person.name,
        "kept": kept,
        "started": drive.started,
        "empty": drive.empty_since is not None,
        "may_end": me.person.may("operator") and _may_end(drive, me),
    }


def _may_end(drive: StationSession, me: SignedIn) -> bool:
    return me.person.may("administrator") or drive.owner == me.person.name


def _recorded(request: Request, me: SignedIn, dataset: str) -> list[DatasetChoice]:
    """Return by task what the dataset of a session that has just ended holds of the user's own; none where it is ""."""
    if not dataset:
        return []
    found = dataset_choices(station_of(request).library, me.person.name)
    return [one for listed in found.values() for one in listed if one.name == dataset and one.mine]


def _check_dataset(name: str) -> None:
    """Check the name of a dataset to record into.

    Raises:
        InvalidValueError: it can be no dataset's, or is that of samples.
    """
    check_new_dataset("dataset to record into", name)
    if name.startswith(f"{SAMPLES}/"):
        raise InvalidValueError("dataset to record into", repr(name), "one that is not of samples")


def _refuse(task: str) -> NoReturn:
    """Refuse a task.

    Raises:
        UnknownNameError: there is no such task.
        NotNowError: it is an outside environment that was not allowed on the command line.
    """
    if is_outside(task):
        advice = f"Start the station with: robo-rlhf serve --env {task}"
        raise NotNowError(f"The environment {task} may not be driven at this station", advice)
    raise UnknownNameError("task", task, [choice.name for choice in launch_options.tasks()])


def _opened(home: Path, dataset: str, episode: str) -> tuple[str, bool]:
    """Return the task of an episode, and whether its frames can be entered."""
    from robo_rlhf.core.files import find_dataset
    from robo_rlhf.data.layout import episode_path
    from robo_rlhf.episodes.access import open_access

    access = open_access(episode_path(find_dataset(home, dataset), episode))
    return access.meta.task, access.enter is not None
