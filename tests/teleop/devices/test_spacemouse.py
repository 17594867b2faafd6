import struct
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import MissingDependencyError
from teleop.devices import spacemouse
from teleop.devices.spacemouse import SpaceMouse, open_spacemouse
from teleop.input.hidraw import HidDevice, RawDevice, list_devices
from teleop.input.spacemouse_reports import Puck, is_spacemouse, twist
from tests.teleop.devices.recorded import RecordedReports
from tests.teleop.making import world

REST = [bytes([1]) + bytes(6), bytes([2]) + bytes(6)]
DESCRIPTOR = bytes([0x05, 0x01, 0x09, 0x08, 0xA1, 0x01])


def move(x: int = 0, y: int = 0, z: int = 0) -> bytes:
    return struct.pack("<B3h", 1, x, y, z)


def turn(x: int = 0, y: int = 0, z: int = 0) -> bytes:
    return struct.pack("<B3h", 2, x, y, z)


@pytest.mark.parametrize(
    ("report", "axis", "sign"),
    [
        (move(x=350), 1, -1),  # right
        (move(y=-350), 0, 1),  # away
        (move(z=-350), 2, 1),  # lifted
        (turn(x=350), 4, -1),
        (turn(y=350), 3, -1),
        (turn(z=350), 5, -1),  # clockwise from above
    ],
)
def test_directions(report: bytes, axis: int, sign: int) -> None:
    with SpaceMouse(world(), raw=RecordedReports([*REST, report]), speed=5) as device:
        expected = np.zeros(6)
        expected[axis] = sign
        said = device.read()
        np.testing.assert_allclose(said.twist, expected, atol=1e-9)
        assert (said.active, said.buttons) == (True, {"takeover"})


def test_turning_and_moving_agree_on_handedness() -> None:
    """A turn about z that leads from x to y in the cap's frame does so in the operator's."""
    puck = Puck()
    axes = np.zeros((3, 6))
    for i, report in enumerate((move(x=350), move(y=350), move(z=350))):
        puck.update(report)
        axes[i] = twist(puck.axes)
        puck.update(move())
    np.testing.assert_allclose(np.cross(axes[0, :3], axes[1, :3]), axes[2, :3])  # right-handed there ...
    assert np.linalg.det(axes[:, :3]) == pytest.approx(1.0)  # ... and here: a turn, no mirror


def test_newer_ones_say_all_axes_at_once_and_other_reports_are_passed_over() -> None:
    puck = Puck()
    puck.update(struct.pack("<B6h", 1, 35, 70, 105, 140, 175, 700))
    np.testing.assert_allclose(puck.axes, [0.1, 0.2, 0.3, 0.4, 0.5, 1.0])
    for other in (b"", b"\x17\x64\x01", b"\x01\x02", b"\x02", b"\x03"):
        puck.update(other)
    assert puck.axes[5] == 1.0


def test_buttons_do_what_the_table_says_once() -> None:
    raw = RecordedReports([b"\x03\x01\x00"], [], [b"\x03\x03\x00", b"\x03\x00\x00"], [b"\x03\x00\x00\x00\x03"])
    with SpaceMouse(world(), raw=raw) as device:
        said = device.read()
        assert (said.gripper, said.active) == (1.0, True)
        assert device.read().buttons == frozenset()
        assert device.read().buttons == {"keep"}
        said = device.read()  # bits 24 and 25: slow and take over
        assert said.buttons == {"takeover"}
    assert raw.closed


def test_one_that_falls_silent_while_it_is_moved_grows_old() -> None:
    with SpaceMouse(world(), raw=RecordedReports([move(y=-350)])) as device:
        assert device.read().age < 0.05
        time.sleep(0.06)
        assert device.read().age > 0.05
    with SpaceMouse(world(), raw=RecordedReports([move(y=-350), move()])) as device:
        device.read()
        time.sleep(0.06)
        assert device.read().age == 0.0  # let go: there is nothing to report


def test_unplugged_it_says_nothing_and_goes_on_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [RecordedReports([move(y=-350)]), RecordedReports([move(y=-350)])]
    first, second = found
    monkeypatch.setattr(spacemouse, "open_spacemouse", lambda path: found.pop(0))
    with SpaceMouse(world()) as device:
        assert device.read().active
        first.unplugged = True
        assert not device.read().active
        assert device.read().active
    assert first.closed
    assert second.closed


def listing(tmp_path: Path) -> Path:
    """What /sys says of a machine with a keyboard and a SpaceMouse."""
    for name, ids, title, descriptor in (
        ("hidraw0", "0003:0000046D:0000C31C", "Logitech USB Keyboard", b"\x05\x01\x09\x06"),
        ("hidraw1", "0003:0000256F:0000C635", "3Dconnexion SpaceMouse Compact", DESCRIPTOR),
        ("hidraw2", "0003:0000256F:0000C652", "3Dconnexion Universal Receiver", b"\x05\x01\x09\x02"),
    ):
        folder = tmp_path / "hidraw" / name / "device"
        folder.mkdir(parents=True)
        (folder / "uevent").write_text(f"DRIVER=hid-generic\nHID_ID={ids}\nHID_NAME={title}\n")
        (folder / "report_descriptor").write_bytes(descriptor)
    return tmp_path / "hidraw"


def test_it_is_found_by_what_it_reports(tmp_path: Path) -> None:
    found = list_devices(listing(tmp_path), tmp_path / "dev")
    assert [device.name for device in found if is_spacemouse(device)] == ["3Dconnexion SpaceMouse Compact"]
    assert found[1] == HidDevice(
        tmp_path / "dev" / "hidraw1", 0x256F, 0xC635, "3Dconnexion SpaceMouse Compact", DESCRIPTOR
    )


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r"A SpaceMouse is missing.*which must be Linux"):
        open_spacemouse(None, tmp_path / "nowhere")
    with pytest.raises(MissingDependencyError, match=r"A SpaceMouse is missing.*Plug it in.*--device browser"):
        open_spacemouse(None, tmp_path)
    with pytest.raises(MissingDependencyError, match="hidraw9 is missing"):
        open_spacemouse(tmp_path / "hidraw9", tmp_path)

    def refuse(self: RawDevice, path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(RawDevice, "__init__", refuse)
    with pytest.raises(MissingDependencyError, match=r"The permission to read /dev/hidraw1 is missing.*70-spacemouse"):
        open_spacemouse(None, listing(tmp_path))


def test_raw_reports_are_read_until_there_are_none(tmp_path: Path) -> None:
    import os
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps reports apart, as hidraw does
    device = RawDevice(Path("/dev/null"))
    os.dup2(ours.fileno(), device._file)
    os.set_blocking(device._file, False)
    assert device.read() == []
    theirs.send(move(1))
    theirs.send(turn(2))
    assert device.read() == [move(1), turn(2)]
    theirs.close()
    with pytest.raises(ConnectionError):
        device.read()
    ours.close()
    device.close()
