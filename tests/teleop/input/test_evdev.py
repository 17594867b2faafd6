import fcntl
import os
import struct
from pathlib import Path

import pytest

from teleop.input.evdev import ABS, GAMEPAD, KEY, AbsInfo, Event, EventDevice, list_devices, read_events
from tests.teleop.devices.recorded import pack_event


def test_a_device_describes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answers, as a recording of an 8-bit pad gave them."""
    axes = {0: (128, 0, 255), 1: (127, 0, 255)}

    def answer(file: int, request: int, buffer: bytearray) -> int:
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        assert (request >> 30, request >> 8 & 0xFF, size) == (2, ord("E"), len(buffer))
        if number == 0x06:
            buffer[:11] = b"Tiny pad\0\0\0"
        elif number == 0x20 + ABS:
            buffer[0] = 0b11
        elif number in (0x20 + KEY, 0x18):
            buffer[GAMEPAD // 8] = 1 << GAMEPAD % 8
        else:
            struct.pack_into("@6i", buffer, 0, *axes[number - 0x40], 0, 15, 0)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", answer)
    (tmp_path / "event4").touch()
    with EventDevice(tmp_path / "event4") as device:
        assert device.description.name == "Tiny pad"
        assert device.description.axes == {0: AbsInfo(128, 0, 255), 1: AbsInfo(127, 0, 255)}
        assert device.description.is_gamepad
        assert device.keys_down() == {GAMEPAD}


def test_events_come_back_as_they_were_packed() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    assert read_events(ours) == []
    events = [Event(KEY, GAMEPAD, 1, 1700000000.25), Event(ABS, 1, -32768, 1700000000.5)]
    os.write(theirs, b"".join(map(pack_event, events)))
    assert read_events(ours) == events
    os.close(theirs)
    with pytest.raises(ConnectionError):
        read_events(ours)
    os.close(ours)


def test_devices_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("event10", "event2", "mouse0"):
        (tmp_path / name).touch()
    assert [path.name for path in list_devices(tmp_path)] == ["event2", "event10"]
    assert list_devices(tmp_path / "nowhere") == []
