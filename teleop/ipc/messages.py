"""The messages between the page, the station and the process of a session: one definition for all of them.

page ⇄ station: JSON over a WebSocket, each message an object whose `type` is its class's name in lower case, and
binary frames (see `FRAME`). station ⇄ session process: the same objects, pickled. What comes from a page is checked by
`read_page_message` before anything else sees it.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.external.controls import ColumnControl
from robo_rlhf.vision.sight import Sight

MAX_MESSAGE = 64 * 1024  # [bytes] that a page may send at once
FRAME = struct.Struct("<IBBHIId")  # frame number, slot, slots of this frame, content, tick, sequence, at; that follows
JPEG, POSES = 0, 1  # content of a binary frame: a picture, or poses (M + 1, 7) float32 as `Movers.poses` with a landing
SEEN = 2  # the same: a PNG of what the policy sees, its cameras beside one another

Phase = Literal["ready", "running", "paused"]
Tone = Literal["good", "bad", "plain"]
CommandName = Literal[
    "start",  # begin, or resume after a pause; after `seek` a branch begins at that frame
    "pause",
    "keep",  # close the episode and begin the next seed
    "discard",  # to the trash, and begin the same seed again
    "undo",  # the newest keep, discard, rewind or mark; a closed episode comes back open
    "success",  # mark the episode by hand, overriding the task ...
    "failure",
    "unmark",  # ... or let the task decide it again
    "again",  # the seed that was just recorded
    "next",
    "seed",  # value: int
    "seek",  # value: frame of the open episode to show, and to resume from
    "rewind",  # value: seconds back
    "note",  # value: text, of the open episode, or of the last one while none is open
    "task",  # value: a task's name
    "goal",  # value: [name, x, y, z], before the episode has begun
    "controls",  # value: a list of controls as JSON, or null for the usual ones
    "policy",  # value: path of a checkpoint in the data home, or null to drive alone
    "open",  # value: [dataset, episode, frame, "continue" or "takeover"]: a branch of a recorded episode
    "operator",  # value: name of the operator from now on; sent by the station alone, never by a page
]

_STRICT = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)
Axis = Annotated[float, Field(ge=-1, le=1)]
Joints = Annotated[tuple[Axis | None, ...], Field(max_length=1000)]
Count = Annotated[int, Field(ge=0, lt=2**32)]
Scalar = Annotated[str, Field(max_length=4000)] | int | float | None


@checked(frozen=True, config=_STRICT)
class Input:
    """The operator's current input; sent when it changes, and every 50 ms while something is held."""

    type: Literal["input"]
    fence: Count  # number of the lease that it is sent under; an older one is not obeyed
    sequence: Count  # counts up; what is not newer than the last is dropped
    twist: Annotated[tuple[Axis, Axis, Axis, Axis, Axis, Axis], "world frame: x y z, and rotation about them"]
    gripper: Axis  # -1 open, +1 closed
    at: float  # [ms] on the page's clock when the operator acted; comes back with the picture
    takeover: bool = False  # while a policy drives: whether the operator does instead
    idle: bool = False  # nothing is held: the page is there, the operator does not move
    joints: Joints | None = None  # where joints are to be, one a column of the action; null: as before
    bank: Annotated[int, Field(ge=0, lt=100)] = 0  # of keys, where a robot has more joints than pairs of keys


@checked(frozen=True, config=_STRICT)
class Do:
    """A request to be done once; answered by `Reply` with the same `id`."""

    type: Literal["do"]
    fence: Count
    id: Count
    act: CommandName
    value: Scalar | list[Scalar] = None


@checked(frozen=True, config=_STRICT)
class View:
    """The views that the page requests: one camera per slot, and their size."""

    type: Literal["view"]
    cameras: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=4)]  # as `Camera.parse` reads
    width: Annotated[int, Field(ge=80, le=1280)]  # [pixels] of slot 0; the others are half as large
    height: Annotated[int, Field(ge=60, le=960)]
    poses: bool = False  # no pictures: the page draws
    insets: bool = False  # also what the policy sees, where it has cameras


@checked(frozen=True, config=_STRICT)
class Drawn:
    """The page has drawn all slots of this frame: the link is free for another."""

    type: Literal["drawn"]
    frame: Count
    latency: float | None = None  # [ms] from input to picture, where this frame was the first to show an input


@checked(frozen=True, config=_STRICT)
class Lease:
    """Take the controls when they are free, ask for them, give them to a requesting spectator, or release them."""

    type: Literal["lease"]
    act: Literal["take", "ask", "give", "release"]
    to: Annotated[str, Field(max_length=40)] = ""  # of `give`: a spectator's id


PageMessage = Annotated[Input | Do | View | Drawn | Lease, Field(discriminator="type")]
_PAGE = TypeAdapter(PageMessage)


def read_page_message(text: str | bytes) -> Input | Do | View | Drawn | Lease:
    """Return the message that a page sent.

    Raises:
        InvalidValueError: it is too long, no JSON, or of the wrong shape; the message says where.
    """
    if len(text) > MAX_MESSAGE:
        raise InvalidValueError("message", f"{len(text):,} bytes", f"at most {MAX_MESSAGE:,}")
    try:
        return _PAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise InvalidValueError("message", f"{where}: {first['msg'].lower()}", "see teleop/ipc/messages.py") from None


@dataclass(frozen=True)
class Begin:
    """The settings of a session process; the first message that it receives."""

    home: Path  # the data home, in which datasets and checkpoints are named
    dataset: str  # to record into; made where it is missing
    task: str
    operator: str  # the person's name, stored with each episode
    seed: int | None = None  # of the first episode; what follows the highest among the newest where None
    rate: float | None = None  # [Hz] control steps a second of the wall, 10 to 50; the task's own where None
    policy: str = ""  # a checkpoint that drives, in the data home
    open: tuple[str, str, int, str] | None = None  # the episode to begin with, as the command `open` takes it
    tags: tuple[str, ...] = ()  # of every episode
    device: str = "browser"  # the operator's device
    conditions: Conditions = field(default_factory=Conditions)  # of the real world, that episodes are recorded under
    label: str = ""  # the device that the metadata names, where another program reads it and sends inputs


@dataclass(frozen=True)
class CameraInfo:
    """A camera of the scene."""

    name: str
    azimuth: float  # [deg] heading of the line of sight about z, as MuJoCo counts it: "ahead" is away from the viewer
    elevation: float  # [deg]
    distance: float  # [m] to the point that it looks at
    lookat: tuple[float, float, float]  # [m]


@dataclass(frozen=True)
class Goal:
    """A goal or object that the operator may move before an episode begins."""

    name: str  # of its mocap body
    position: tuple[float, float, float]  # [m]


@dataclass(frozen=True)
class Scene:
    """The scene of a session; sent when it starts and when the task changes."""

    task: str
    instruction: str
    dataset: str
    action_names: tuple[str, ...]
    cameras: tuple[CameraInfo, ...]
    goals: tuple[Goal, ...]
    fovy: float  # [deg] angle of view, up and down, of the main view
    control_dt: float  # [s]
    horizon: int  # steps that the task is meant to take
    controls: tuple[ColumnControl, ...]  # what drives each column of an action
    conditions: str = ""  # that it is under, in words; empty: none
    type: Literal["scene"] = "scene"


@dataclass(frozen=True)
class Status:
    """The state of the session; sent after every tick."""

    phase: Phase
    tick: int  # control steps since the session started: never goes back
    episode: str  # id of the open episode; empty where none is
    seed: int
    frame: int  # of the episode, that is shown
    frames: int  # that the episode has, the first one included
    success: bool  # the task's outcome of this frame
    mark: Literal["", "success", "failure"]  # the operator's mark of the episode
    source: str  # source of the action that led to this frame: human, policy, scripted, correction
    gripper: float  # as commanded, -1 open, +1 closed
    holds: bool  # the robot stands still because no input arrives from the operator
    late: float  # [ms] of the last tick after its deadline
    policy: str  # that drives, or could; empty where none is loaded
    parent: str  # the episode that this one branched from
    kept: int  # since the session started
    successes: int
    discarded: int
    minutes: float  # [min] since the session started
    trouble: str = ""  # why the session waits, as text: a full disk
    branches: int = 0  # kept of what was rewound and left
    undo: Literal["", "keep", "discard", "rewind", "mark"] = ""  # what `undo` would undo; empty: nothing
    goals: tuple[Goal, ...] = ()  # where they are, while they may be moved: before the episode begins
    action: tuple[float, ...] = ()  # that led to this frame, each column in [-1, 1]; zeros at the start
    sees: Sight | None = None  # what the policy sees, where it has cameras
    type: Literal["status"] = "status"


@dataclass(frozen=True)
class Tick:
    """One control step, or one view of another frame, from the session process; its picture is drawn from `state`."""

    status: Status
    state: Array  # (nstate,) float64
    sequence: int  # of the newest input that this state shows
    at: float  # [ms] that came with it
    scene: str = ""  # the name of the model that `state` is drawn with; empty: `picture` shows it
    picture: bytes = b""  # a JPEG, where states do not draw the world
    poses: Array | None = (
        None  # (M + 1, 7) float32 as `Movers.poses` with a landing, for pages that draw; None: none can
    )


@dataclass(frozen=True)
class Reply:
    """The answer to a `Do`."""

    id: int
    ok: bool
    text: str = ""  # what happened, or what is wrong and what to do about it
    episode: str = ""  # that it was about
    type: Literal["reply"] = "reply"


@dataclass(frozen=True)
class Notice:
    """A message for the operator."""

    text: str
    tone: Tone = "plain"
    sound: Literal["", "success", "kept", "discarded", "lost"] = ""
    offer: tuple[str, str, int] | None = None  # what the operator may `open`: dataset, episode, frame
    type: Literal["notice"] = "notice"


@dataclass(frozen=True)
class Holder:
    """A user who has the session's page open."""

    id: str
    name: str
    asks: bool = False  # for the controls


@dataclass(frozen=True)
class Controls:
    """The holder of the controls; sent to each page when it changes."""

    you: str  # id of this page
    fence: int  # to be sent with every input, where `holder` is you
    holder: Holder | None
    away: bool  # the holder's connection is lost; others may take over when the lease has run out
    spectators: tuple[Holder, ...] = field(default_factory=tuple)
    type: Literal["controls"] = "controls"


@dataclass(frozen=True)
class Figures:
    """The latencies of a page's pictures, recent medians; sent about once a second."""

    render: float  # [ms] from a tick to its pictures
    link: float  # [ms] from there until the page acknowledged that they are drawn
    rate: float  # [1/s] frames
    width: int  # [pixels] of slot 0
    height: int
    type: Literal["figures"] = "figures"
