"""Input devices that play what a test recorded."""

import os
import struct
from collections.abc import Sequence

from teleop.input.evdev import ABS, KEY, SYN, AbsInfo, Description, Event, read_events

_EVENT = struct.Struct("@llHHi")  # seconds, microseconds, kind, code, value


def pack_event(event: Event) -> bytes:
    """Return the bytes in which the kernel writes an event."""
    return _EVENT.pack(int(event.at), round(event.at % 1 * 1e6), event.kind, event.code, event.value)


XBOX = Description(
    "Microsoft X-Box 360 pad",
    {
        **dict.fromkeys((0, 1, 3, 4), AbsInfo(0, -32768, 32767)),
        **dict.fromkeys((2, 5), AbsInfo(0, 0, 255)),
        **dict.fromkeys((16, 17), AbsInfo(0, -1, 1)),
    },
    frozenset({0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x13A, 0x13B, 0x13C, 0x13D, 0x13E}),
)
WIRELESS = Description(
    "Xbox Wireless Controller",
    {
        **dict.fromkeys((0, 1, 2, 5), AbsInfo(32768, 0, 65535)),
        **dict.fromkeys((9, 10), AbsInfo(0, 0, 1023)),
        **dict.fromkeys((16, 17), AbsInfo(0, -1, 1)),
    },
    XBOX.keys,
)


class RecordedPad:
    """A gamepad whose events come through a pipe, as those of a real one come through its file."""

    def __init__(self, description: Description = XBOX) -> None:
        self.description = description
        self.values = {code: axis.value for code, axis in description.axes.items()}
        self.pressed: set[int] = set()
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        self.closed = False

    def say(self, *events: tuple[int, int, int], at: float = 0.0) -> None:
        for kind, code, value in (*events, (SYN, 0, 0)):
            if kind == ABS:
                self.values[code] = value
            os.write(self._in, pack_event(Event(kind, code, value, at)))

    def push(self, code: int, part: float) -> None:
        """Put an axis at `part` of its way, in [-1, 1]."""
        axis = self.description.axes[code]
        self.say((ABS, code, round(axis.least + (part + 1) / 2 * (axis.most - axis.least))))

    def press(self, code: int, *, down: bool = True) -> None:
        self.say((KEY, code, int(down)))

    def unplug(self) -> None:
        os.close(self._in)

    def read(self) -> list[Event]:
        return read_events(self._out)

    def axis(self, code: int) -> AbsInfo:
        return self.description.axes[code]._replace(value=self.values[code])

    def keys_down(self) -> frozenset[int]:
        return frozenset(self.pressed)

    def close(self) -> None:
        self.closed = True
        os.close(self._out)


class RecordedReports:
    """A HID device that says prepared reports, those of one list at each read."""

    def __init__(self, *reads: Sequence[bytes]) -> None:
        self.reads = list(reads)
        self.closed = self.unplugged = False

    def read(self) -> list[bytes]:
        if self.unplugged:
            raise ConnectionError("the device was unplugged")
        return list(self.reads.pop(0)) if self.reads else []

    def close(self) -> None:
        self.closed = True
