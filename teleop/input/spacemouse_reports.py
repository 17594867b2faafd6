"""What a SpaceMouse reports: six axes and a row of buttons."""

import struct

import numpy as np

from robo_rlhf.core.types import Array
from teleop.input.hidraw import HidDevice

FULL = 350.0  # what an axis reports at the end of its way
_MOVE, _TURN, _PRESS = 1, 2, 3  # numbers of reports
_VENDORS = (0x256F, 0x046D)  # 3Dconnexion; and Logitech, which sold the older ones
_MULTI_AXIS = bytes((0x05, 0x01, 0x09, 0x08))  # usage page Generic Desktop, usage Multi-axis Controller


def is_spacemouse(device: HidDevice) -> bool:
    """Whether a HID device is a SpaceMouse, or the part of a receiver that speaks for one."""
    return device.vendor in _VENDORS and device.descriptor.startswith(_MULTI_AXIS)


class Puck:
    """The cap and the buttons as they were last reported."""

    def __init__(self) -> None:
        """Begin at rest."""
        self.axes = np.zeros(
            6
        )  # x right, y towards the operator, z down, and right-handed turns about them, in [-1, 1]
        self.buttons: frozenset[int] = frozenset()  # bits that are set

    def update(self, report: bytes) -> None:
        """Process a report; reports about something else (its battery), or too short ones, are ignored."""
        if not report:
            return
        number, body = report[0], report[1:]
        if number == _MOVE and len(body) >= 12:  # newer ones report all six at once
            self.axes[:] = _axes(body[:12])
        elif number == _MOVE and len(body) >= 6:
            self.axes[:3] = _axes(body[:6])
        elif number == _TURN and len(body) >= 6:
            self.axes[3:] = _axes(body[:6])
        elif number == _PRESS and body:
            self.buttons = frozenset(8 * i + bit for i, byte in enumerate(body) for bit in range(8) if byte >> bit & 1)

    @property
    def at_rest(self) -> bool:
        """Whether the cap is at rest."""
        return not self.axes.any()


def twist(axes: Array) -> Array:
    """Return axes (6,) of a `Puck` as a twist (6,) ahead, left and up of the operator.

    HID counts x to the right, y towards the operator and z down, and turns about them right-handed (USB HID Usage
    Tables, Generic Desktop): half a turn about a line between right and ahead away from ours.
    """
    return np.asarray(-axes[[1, 0, 2, 4, 3, 5]])


def _axes(body: bytes) -> Array:
    values = struct.unpack(f"<{len(body) // 2}h", body)
    return np.clip(np.array(values) / FULL, -1.0, 1.0)
