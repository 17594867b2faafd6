"""Linux input events, read straight from /dev/input, as gamepads send them. Needs no library.

Numbers are those of the kernel's input.h and input-event-codes.h.
"""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

FOLDER = Path("/dev/input")
SYN, KEY, ABS = 0x00, 0x01, 0x03  # kinds of events
SYN_DROPPED = 3  # the kernel's buffer ran over: the pressed buttons must be read again
GAMEPAD = 0x130  # the button that every gamepad has, and no joystick, mouse or keyboard
_EVENT = struct.Struct("@llHHi")  # seconds, microseconds, kind, code, value
_AXIS = struct.Struct("@6i")  # value, least, most, fuzz, flat, resolution
_KEYS = 0x300  # codes of keys and buttons
_AXES = 0x40
_GONE = (errno.ENODEV, errno.EIO)


class Event(NamedTuple):
    """A change of one axis or button of a device."""

    kind: int
    code: int
    value: int
    at: float  # [s] since 1970


class AbsInfo(NamedTuple):
    """An axis as the device describes it."""

    value: int  # now
    least: int
    most: int


@dataclass(frozen=True)
class Description:
    """A device's identity, axes and buttons."""

    name: str
    axes: dict[int, AbsInfo]  # by code
    keys: frozenset[int]  # codes

    @property
    def is_gamepad(self) -> bool:
        """Whether it has a gamepad's buttons and at least one stick."""
        return GAMEPAD in self.keys and {0x00, 0x01} <= self.axes.keys()


class EventDevice:
    """One open input device."""

    def __init__(self, path: Path) -> None:
        """Open the device.

        Raises:
            OSError: it is not there, not permitted, or no input device.
        """
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.description = self._describe()
        except OSError:
            self.close()
            raise

    def read(self) -> list[Event]:
        """Return the events since the last call, at once.

        Raises:
            ConnectionError: the device was unplugged.
        """
        return read_events(self._file)

    def axis(self, code: int) -> AbsInfo:
        """Return the current state of an axis."""
        value, least, most, *_ = _AXIS.unpack(self._ask(0x40 + code, _AXIS.size))
        return AbsInfo(value, least, most)

    def keys_down(self) -> frozenset[int]:
        """Return the codes of the pressed buttons."""
        return _bits(self._ask(0x18, _KEYS // 8))

    def close(self) -> None:
        """Close it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Return the device."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _describe(self) -> Description:
        name = self._ask(0x06, 256).split(b"\0")[0].decode(errors="replace")
        axes = {code: self.axis(code) for code in _bits(self._ask(0x20 + ABS, _AXES // 8))}
        return Description(name, axes, _bits(self._ask(0x20 + KEY, _KEYS // 8)))

    def _ask(self, number: int, size: int) -> bytes:
        """Return the result of an ioctl of the kernel's event interface (`_IOC(_IOC_READ, 'E', number, size)`)."""
        answer = bytearray(size)
        fcntl.ioctl(self._file, 2 << 30 | size << 16 | ord("E") << 8 | number, answer)
        return bytes(answer)


def read_events(file: int) -> list[Event]:
    """Return the events that wait in an open file that does not block.

    Raises:
        ConnectionError: there is no device behind it any more.
    """
    try:
        content = os.read(file, 256 * _EVENT.size)
    except BlockingIOError:
        return []
    except OSError as error:
        if error.errno in _GONE:
            raise ConnectionError("the device was unplugged") from error
        raise
    if not content:
        raise ConnectionError("the device was unplugged")
    whole = len(content) // _EVENT.size * _EVENT.size
    return [
        Event(kind, code, value, seconds + micros / 1e6)
        for seconds, micros, kind, code, value in _EVENT.iter_unpack(content[:whole])
    ]


def list_devices(folder: Path = FOLDER) -> list[Path]:
    """Return the input devices of this machine, by number; none where there is no such folder."""
    return sorted(folder.glob("event*"), key=lambda path: int(path.name.removeprefix("event") or 0))


def _bits(content: bytes) -> frozenset[int]:
    return frozenset(8 * place + bit for place, byte in enumerate(content) for bit in range(8) if byte >> bit & 1)
