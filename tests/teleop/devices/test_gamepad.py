import os
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError
from teleop.devices import gamepad
from teleop.devices.gamepad import Gamepad, open_gamepad
from teleop.input.evdev import ABS, SYN, SYN_DROPPED, Description, EventDevice
from teleop.input.response_curves import SLOW
from tests.teleop.devices.recorded import WIRELESS, XBOX, RecordedPad
from tests.teleop.making import world

NORTH, SOUTH, LEFT_SHOULDER, RIGHT_SHOULDER = 0x133, 0x130, 0x136, 0x137


@pytest.mark.parametrize(
    ("description", "right", "trigger"), [(XBOX, (3, 4), 2), (WIRELESS, (2, 5), 10)], ids=["wired", "wireless"]
)
def test_sticks_and_triggers_of_both_layouts(description: Description, right: tuple[int, int], trigger: int) -> None:
    pad = RecordedPad(description)
    with Gamepad(world(), pad=pad, speed=5) as device:
        at_rest = device.read()
        assert (at_rest.active, at_rest.twist.any(), at_rest.buttons) == (False, False, frozenset())
        pad.push(1, -1.0)
        np.testing.assert_allclose(device.read().twist, [1, 0, 0, 0, 0, 0], atol=0.01)
        pad.push(1, 0.0)
        pad.push(0, -1.0)
        pad.push(right[1], -1.0)
        pad.push(right[0], 1.0)
        pushed = device.read()
        assert (pushed.active, pushed.buttons) == (True, {"takeover"})
        np.testing.assert_allclose(np.sign(np.round(pushed.twist, 2)), [0, 1, 1, 0, 0, -1])
        pad.press(LEFT_SHOULDER)
        np.testing.assert_allclose(np.sign(np.round(device.read().twist, 2)), [0, 1, 0, 1, 1, 0])
        pad.push(trigger, 1.0)
        assert device.read().twist[1] == pytest.approx(SLOW, abs=0.01)
    assert pad.closed


def test_buttons_do_what_the_table_says_once() -> None:
    pad = RecordedPad()
    with Gamepad(world(), pad=pad) as device:
        pad.press(NORTH)
        pad.say((ABS, 16, 1))
        assert device.read().buttons == {"success", "keep"}
        assert device.read().buttons == frozenset()
        pad.say((ABS, 16, 0))
        pad.say((ABS, 17, 1))
        pad.press(NORTH, down=False)
        assert device.read().buttons == {"discard"}
        pad.press(SOUTH)
        pad.press(SOUTH, down=False)
        said = device.read()
        assert (said.gripper, said.active, device.read().gripper) == (1.0, True, 1.0)
        pad.press(RIGHT_SHOULDER)
        assert [device.read().buttons for _ in range(2)] == [{"takeover"}] * 2
        pad.press(NORTH)
        device.read()
        pad.press(NORTH, down=False)
        pad.press(NORTH)
        device.begin(1)  # what was said before does not count ...
        assert device.read().buttons == {"success", "takeover"}  # ... what comes after does


def test_what_is_off_its_rest_when_it_is_opened_drives_only_after_it_has_rested() -> None:
    pad = RecordedPad()
    pad.pressed = {SOUTH, RIGHT_SHOULDER}
    pad.values |= {1: -32768, 16: 1}
    with Gamepad(world(), pad=pad, speed=5) as device:
        said = device.read()
        assert (said.gripper, said.buttons, said.active) == (-1.0, frozenset(), False)
        pad.push(1, -0.9)  # not in the middle yet
        pad.push(3, 1.0)  # the other stick rested
        np.testing.assert_allclose(device.read().twist, [0, 0, 0, 0, 0, -1], atol=0.01)
        pad.push(3, 0.0)
        pad.push(1, 0.0)
        pad.push(1, -1.0)
        pad.press(RIGHT_SHOULDER, down=False)
        pad.press(RIGHT_SHOULDER)
        said = device.read()
        assert said.buttons == {"takeover"}
        np.testing.assert_allclose(said.twist, [1, 0, 0, 0, 0, 0], atol=0.01)


def test_after_events_were_dropped_it_looks_anew() -> None:
    pad = RecordedPad()
    with Gamepad(world(), pad=pad, speed=5) as device:
        pad.values[0] = -32768
        pad.say((SYN, SYN_DROPPED, 0))
        np.testing.assert_allclose(device.read().twist, [0, 1, 0, 0, 0, 0], atol=0.01)


def test_the_age_is_that_of_the_event() -> None:
    pad = RecordedPad()
    with Gamepad(world(), pad=pad) as device:
        pad.say((ABS, 0, 9000), at=time.time() - 0.02)
        assert 0.02 <= device.read().age <= 0.1
        assert device.read().age == 0.0
        pad.say((ABS, 0, 8000), at=time.time() + 3600)  # the clock was set back
        assert device.read().age == 0.0


def test_unplugged_it_says_nothing_and_goes_on_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pads, looks = [RecordedPad(), RecordedPad()], list[float]()

    def find(path: Path | None) -> RecordedPad:
        looks.append(time.monotonic())
        if len(looks) == 2:
            raise MissingDependencyError("A gamepad", "this", "Wait.")
        return pads.pop(0)

    monkeypatch.setattr(gamepad, "open_gamepad", find)
    monkeypatch.setattr(gamepad, "RETRY", 0.02)
    with Gamepad(world()) as device:
        first, second = pads[0], pads[-1]
        device._pad.push(1, -1.0)  # type: ignore[union-attr]
        assert device.read().active
        device._pad.unplug()  # type: ignore[union-attr]
        assert not device.read().active
        until = time.monotonic() + 5
        while len(looks) < 3:
            assert not device.read().active
            assert time.monotonic() < until
        assert looks[2] - looks[1] >= 0.02
        second.push(1, -1.0)
        assert device.read().active
    assert first.closed
    assert second.closed


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r"A gamepad is missing.*which must be Linux"):
        open_gamepad(None, tmp_path / "input")
    folder = tmp_path / "input"
    folder.mkdir()
    with pytest.raises(MissingDependencyError, match=r"A gamepad is missing.*Plug it in or pair it.*--device browser"):
        open_gamepad(None, folder)
    (folder / "event3").touch()  # no input device at all
    with pytest.raises(MissingDependencyError, match="A gamepad is missing"):
        open_gamepad(None, folder)
    with pytest.raises(MissingDependencyError, match="event9 is missing"):
        open_gamepad(folder / "event9", folder)

    def refuse(self: EventDevice, path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(EventDevice, "__init__", refuse)
    with pytest.raises(
        MissingDependencyError, match=r"The permission to read .*/event\* is missing.*usermod -aG input"
    ):
        open_gamepad(None, folder)
    with pytest.raises(MissingDependencyError, match=r"The permission to read .*/event3 is missing"):
        open_gamepad(folder / "event3", folder)


def test_the_first_gamepad_among_other_devices_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"event0": Description("keyboard", {}, frozenset({30})), "event10": XBOX, "event2": WIRELESS}
    for name in kinds:
        (tmp_path / name).touch()
    monkeypatch.setattr(EventDevice, "_describe", lambda self: kinds[self.path.name])
    with open_gamepad(None, tmp_path) as found:
        assert found.path.name == "event2"
    with open_gamepad(tmp_path / "event0", tmp_path) as found:
        assert found.description.name == "keyboard"
    assert len(os.listdir("/proc/self/fd")) < 200


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="deadzone"):
        Gamepad(world(), deadzone=1.5)
