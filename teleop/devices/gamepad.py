"""A gamepad on the robot's machine as a device, read through Linux input events."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

import numpy as np

from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.types import Array, Command, Source
from teleop.devices import DEVICES, Handheld
from teleop.input.button_maps import GAMEPAD
from teleop.input.evdev import (
    ABS,
    FOLDER,
    KEY,
    SYN,
    SYN_DROPPED,
    AbsInfo,
    Description,
    Event,
    EventDevice,
    list_devices,
)
from teleop.input.operator_state import TAKEOVER, OperatorState
from teleop.input.response_curves import CURVE, DEADZONE, LEVEL, apply_stick_curve, check_response
from teleop.worlds.opening import World

RETRY = 1.0  # [s] between checks for a gamepad that was unplugged
PULLED = 0.5  # of a trigger's way: it counts as pressed
_X, _Y, _Z, _RX, _RY, _RZ, _GAS, _BRAKE = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x09, 0x0A
_HAT_X, _HAT_Y = 0x10, 0x11
_UP, _DOWN, _LEFT, _RIGHT, _LEFT_TRIGGER = 0x220, 0x221, 0x222, 0x223, 0x138
_BUTTONS = {button.code: button for button in GAMEPAD}


class Pad(Protocol):
    """The source of events: an `EventDevice`, or one that plays recorded events."""

    description: Description

    def read(self) -> list[Event]:
        """Return the events since the last call; raises ConnectionError when it was unplugged."""
        ...

    def axis(self, code: int) -> AbsInfo:
        """Return the current state of an axis."""
        ...

    def keys_down(self) -> frozenset[int]:
        """Return the codes of the pressed buttons."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@DEVICES.register("gamepad")
class Gamepad(Handheld):
    """Sticks move and turn, buttons follow `teleop.input.button_maps.GAMEPAD`. Pushing a stick takes over.

    A stick that is off its middle when the gamepad is opened, or a button that is down, counts once it has rested.
    """

    name: ClassVar[str] = "gamepad"
    source: ClassVar[Source] = Source.HUMAN

    def __init__(
        self,
        env: World,
        *,
        path: Path | None = None,
        pad: Pad | None = None,
        heading: float = 0.0,
        speed: int = LEVEL,
        deadzone: float = DEADZONE,
        curve: float = CURVE,
    ) -> None:
        """Drive the robot of `env`.

        Args:
            env: the world.
            path: of the input device, /dev/input/event5; the first gamepad where None.
            pad: something opened already, in its place.
            heading: of the operator's line of sight [deg], see `teleop.input.response_curves.rotate_twist`.
            speed: level, from 1.
            deadzone: of the sticks, of their way.
            curve: exponent of the sticks; 1 is straight.
        """
        check_response(deadzone, curve, speed)
        self.operator_state = OperatorState(env.action_names, heading=heading, speed=speed)
        self._path, self._pad, self._feel = path, pad, (deadzone, curve)
        self._axes: dict[int, float] = {}  # code → position in [-1, 1]; triggers in [0, 1]
        self._down: set[int] = set()  # codes of buttons
        self._not_rested: set[int] = set()  # codes of axes and buttons that were off when it was opened, and still are
        self._retry_at = 0.0

    def __enter__(self) -> Self:
        """Open the gamepad.

        Raises:
            MissingDependencyError: there is none, or reading it is not permitted.
        """
        self._pad = self._pad or open_gamepad(self._path)
        self._first_look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._pad is not None:
            self._pad.close()
            self._pad = None

    def begin(self, seed: int) -> None:
        """Forget what was pressed; the gripper stays as it is."""
        self.operator_state.begin()

    def read(self) -> Command:
        """Return the command of sticks and buttons; inactive while unplugged, which it may be at any time.

        Its age is that of the newest event; what did not change is the device's current state.
        """
        now = time.time()
        events = self._events()
        if self._pad is None:
            return self.operator_state.command(np.zeros(6), lost=True)
        for event in events:
            self._handle(event)
        age = min(max(now - events[-1].at, 0.0), 0.1) if events else 0.0  # clocks may be set meanwhile
        return self.operator_state.command(
            self._twist(), slow=self._holds("slow"), takeover=self._holds(TAKEOVER), age=age
        )

    def _events(self) -> list[Event]:
        """Return the new events; open the gamepad again where it was unplugged."""
        if self._pad is None:
            self._reopen()
        if self._pad is None:
            return []
        try:
            return self._pad.read()
        except ConnectionError:
            self._pad.close()
            self._pad = None
            self._axes.clear()
            self._down.clear()
            return []

    def _reopen(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY
        try:
            self._pad = open_gamepad(self._path)
            self._first_look()
        except (MissingDependencyError, OSError):
            self._pad = None

    def _first_look(self) -> None:
        """Read the state of a gamepad that was just opened: what is not at rest then is no order."""
        self._find_pad()
        off = {code for code, value in self._axes.items() if abs(value) > self._feel[0]}
        self._not_rested = off | self._down

    def _find_pad(self) -> None:
        """Read the current state of sticks and buttons."""
        assert self._pad is not None
        self._axes.clear()
        self._down = set(self._pad.keys_down())
        for code in self._pad.description.axes:
            self._place(code, self._pad.axis(code).value, acts=False)

    def _handle(self, event: Event) -> None:
        if event.kind == KEY:
            self._press(event.code, event.value > 0)
        elif event.kind == ABS:
            self._place(event.code, event.value)
        elif (event.kind, event.code) == (SYN, SYN_DROPPED):
            self._find_pad()

    def _place(self, code: int, value: int, *, acts: bool = True) -> None:
        """Store the position of an axis; the pad of arrows and the triggers press buttons."""
        assert self._pad is not None
        axis = self._pad.description.axes.get(code)
        if axis is None or axis.most <= axis.least:
            return
        part = (value - axis.least) / (axis.most - axis.least)
        if code in (_HAT_X, _HAT_Y):
            before, after = (_LEFT, _RIGHT) if code == _HAT_X else (_UP, _DOWN)
            self._press(before, part < 0.25, acts=acts)
            self._press(after, part > 0.75, acts=acts)
        elif code == self._left_trigger():
            self._press(_LEFT_TRIGGER, part > PULLED)
        else:
            self._axes[code] = 2 * part - 1
            if abs(self._axes[code]) <= self._feel[0]:
                self._not_rested.discard(code)

    def _press(self, code: int, down: bool, *, acts: bool = True) -> None:
        if down and code not in self._down:
            self._down.add(code)
            button = _BUTTONS.get(code)
            if acts and button is not None and not button.held:
                self.operator_state.press(button.act)
        elif not down:
            self._down.discard(code)
            self._not_rested.discard(code)

    def _holds(self, act: str) -> bool:
        down = self._down - self._not_rested
        return any(code in down for code, button in _BUTTONS.items() if button.act == act)

    def _left_trigger(self) -> int | None:
        """Return the axis of the left trigger: gamepads report it in two ways, and some as a button only."""
        assert self._pad is not None
        axes = self._pad.description.axes
        return _BRAKE if {_GAS, _BRAKE} <= axes.keys() else _Z if {_RX, _RY} <= axes.keys() else None

    def _right_stick(self) -> tuple[int, int]:
        assert self._pad is not None
        axes = self._pad.description.axes
        return (_RX, _RY) if {_RX, _RY} <= axes.keys() and not {_GAS, _BRAKE} <= axes.keys() else (_Z, _RZ)

    def _twist(self) -> Array:
        """Return the twist (6,) ahead, left and up of the operator. Sticks count right and towards them as positive."""
        left, right = self._stick((_X, _Y)), self._stick(self._right_stick())
        twist = np.zeros(6)
        twist[:2] = -left[1], -left[0]
        if self._holds("tilt"):
            twist[3:5] = right[0], -right[1]
        else:
            twist[2], twist[5] = -right[1], -right[0]
        return twist

    def _stick(self, codes: Sequence[int]) -> Array:
        if not self._not_rested.isdisjoint(codes):
            return np.zeros(2)
        return apply_stick_curve(np.array([self._axes.get(code, 0.0) for code in codes]), *self._feel)


def open_gamepad(path: Path | None = None, folder: Path = FOLDER) -> EventDevice:
    """Open a gamepad: the one at `path`, or the first.

    Raises:
        MissingDependencyError: there is none, or reading it is not permitted; the message says what to do.
    """
    refused: list[Path] = []
    for candidate in [path] if path is not None else list_devices(folder):
        try:
            device = EventDevice(candidate)
        except PermissionError:
            refused.append(candidate)
            continue
        except OSError:
            continue  # unplugged meanwhile, or no input device
        if path is not None or device.description.is_gamepad:
            return device
        device.close()
    raise _missing(path, refused, folder)


def _missing(path: Path | None, refused: Sequence[Path], folder: Path) -> MissingDependencyError:
    where = str(path) if path is not None else "A gamepad"
    if refused:
        what = f"The permission to read {refused[0] if path is not None else f'{folder}/event*'}"
        advice = "Join the group that may (`sudo usermod -aG input $USER`, then log in again), or sit at the machine."
        return MissingDependencyError(what, "the gamepad", advice)
    if not folder.exists():
        advice = "Plug it into the machine that runs this, which must be Linux; or use it in the browser."
    else:
        advice = "Plug it in or pair it, then `ls /dev/input`; or use it in the browser: --device browser."
    return MissingDependencyError(where, "driving with a gamepad", advice)
