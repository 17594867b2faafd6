"""A SpaceMouse on the robot's machine as a device: raw HID reports, without a driver or library."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

import numpy as np

from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.types import Command, Source
from teleop.devices import DEVICES, Handheld
from teleop.input.button_maps import SPACEMOUSE
from teleop.input.hidraw import CLASS, HidDevice, RawDevice, list_devices
from teleop.input.operator_state import TAKEOVER, OperatorState
from teleop.input.response_curves import DEADZONE, LEVEL, apply_curve, check_response
from teleop.input.spacemouse_reports import Puck, is_spacemouse, twist
from teleop.worlds.opening import World

RETRY = 1.0  # [s] between checks for one that was unplugged
STRAIGHT = 1.3  # exponent of the cap's curve: springs are fine near the middle by themselves
RULE = 'KERNEL=="hidraw*", ATTRS{idVendor}=="256f", TAG+="uaccess"'


class Raw(Protocol):
    """The source of reports: a `RawDevice`, or one that plays recorded reports."""

    def read(self) -> list[bytes]:
        """Return the reports since the last call; raises ConnectionError when it was unplugged."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@DEVICES.register("spacemouse")
class SpaceMouse(Handheld):
    """The cap moves and turns, buttons follow `input.button_maps.SPACEMOUSE`. Moving the cap takes over."""

    name: ClassVar[str] = "spacemouse"
    source: ClassVar[Source] = Source.HUMAN

    def __init__(
        self,
        env: World,
        *,
        path: Path | None = None,
        raw: Raw | None = None,
        heading: float = 0.0,
        speed: int = LEVEL,
        deadzone: float = DEADZONE,
        curve: float = STRAIGHT,
    ) -> None:
        """Drive the robot of `env`.

        Args:
            env: the world.
            path: of the HID device, /dev/hidraw3; the first SpaceMouse where None.
            raw: something opened already, in its place.
            heading: of the operator's line of sight [deg], see `teleop.input.response_curves.rotate_twist`.
            speed: level, from 1.
            deadzone: of each axis, of its way.
            curve: exponent of each axis; 1 is straight.
        """
        check_response(deadzone, curve, speed)
        self.operator_state = OperatorState(env.action_names, heading=heading, speed=speed)
        self._path, self._raw, self._feel = path, raw, (deadzone, curve)
        self._puck = Puck()
        self._last_input_at = time.monotonic()
        self._retry_at = 0.0

    def __enter__(self) -> Self:
        """Open the SpaceMouse.

        Raises:
            MissingDependencyError: there is none, or reading it is not permitted.
        """
        self._raw = self._raw or open_spacemouse(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def begin(self, seed: int) -> None:
        """Forget what was pressed; the gripper stays as it is."""
        self.operator_state.begin()

    def read(self) -> Command:
        """Return the command of cap and buttons; inactive while it is unplugged, which it may be at any time.

        While the cap is moved, its age is that of the last report, of which there are then some sixty a second.
        """
        now = time.monotonic()
        reports = self._reports()
        if self._raw is None:
            return self.operator_state.command(np.zeros(6), lost=True)
        if reports:
            self._last_input_at = now
        for report in reports:
            self._handle(report)
        return self.operator_state.command(
            twist(apply_curve(self._puck.axes, *self._feel)),
            slow=self._holds("slow"),
            takeover=self._holds(TAKEOVER),
            age=0.0 if self._puck.at_rest else now - self._last_input_at,
        )

    def _handle(self, report: bytes) -> None:
        before = self._puck.buttons
        self._puck.update(report)
        for button in SPACEMOUSE:
            if button.code in self._puck.buttons - before and not button.held:
                self.operator_state.press(button.act)

    def _holds(self, act: str) -> bool:
        return any(button.act == act and button.code in self._puck.buttons for button in SPACEMOUSE)

    def _reports(self) -> list[bytes]:
        """Return the new reports; open the device again where it was unplugged."""
        if self._raw is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY
            try:
                self._raw = open_spacemouse(self._path)
            except MissingDependencyError:
                return []
        try:
            return self._raw.read() if self._raw is not None else []
        except ConnectionError:
            assert self._raw is not None
            self._raw.close()
            self._raw, self._puck = None, Puck()
            return []


def open_spacemouse(path: Path | None = None, listing: Path = CLASS) -> RawDevice:
    """Open a SpaceMouse: the one at `path`, or the first.

    Raises:
        MissingDependencyError: there is none, or reading it is not permitted; the message says what to do.
    """
    known: Sequence[HidDevice] = list_devices(listing)
    paths = [path] if path is not None else [device.path for device in known if is_spacemouse(device)]
    refused: list[Path] = []
    for candidate in paths:
        try:
            return RawDevice(candidate)
        except PermissionError:
            refused.append(candidate)
        except OSError:
            continue  # unplugged meanwhile
    raise _missing(path, refused, listing)


def _missing(path: Path | None, refused: Sequence[Path], listing: Path) -> MissingDependencyError:
    if refused:
        advice = f"Put this line into /etc/udev/rules.d/70-spacemouse.rules and plug it in again: {RULE}"
        return MissingDependencyError(f"The permission to read {refused[0]}", "the SpaceMouse", advice)
    if listing.exists():
        advice = "Plug it in, then `ls /dev/hidraw*`; or drive in the browser: --device browser."
    else:
        advice = "Plug it into the machine that runs this, which must be Linux; or drive in the browser."
    what = str(path) if path is not None else "A SpaceMouse"
    return MissingDependencyError(what, "driving with a SpaceMouse", advice)
