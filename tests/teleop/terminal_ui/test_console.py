import time
from collections.abc import Iterator

import numpy as np
import pytest

from robo_rlhf.sim.external.controls import ColumnControl
from teleop.devices.gamepad import Gamepad
from teleop.devices.keyboard import Keyboard
from teleop.input.held_keys import ONCE
from teleop.input.terminal import Terminal
from teleop.ipc.messages import CameraInfo, Do, Input, Notice, Reply, Scene, Status, Tick
from teleop.ipc.session_process import Ended
from teleop.terminal_ui.console import GRIP_WAIT, REWIND, Console
from tests.teleop.devices.recorded import RecordedPad
from tests.teleop.making import world
from tests.teleop.terminals import Screen, screen

FRONT = CameraInfo("front", 90.0, -30.0, 1.0, (0.0, 0.0, 0.0))
SIDE = CameraInfo("side", 0.0, -30.0, 1.0, (0.0, 0.0, 0.0))
COLUMNS = ("x", "y", "z", "gripper")
CONTROLS = tuple(ColumnControl(name, name) for name in COLUMNS)
SCENE = Scene("reach", "Touch it.", "reach", COLUMNS, (SIDE, FRONT), (), 45, 0.05, 60, CONTROLS)


def status(phase: str = "running", gripper: float = -1.0, **fields: object) -> Status:
    known = {
        **{"tick": 3, "episode": "e", "seed": 1, "frame": 3, "frames": 4, "success": False, "mark": ""},
        **{"source": "human", "holds": False, "late": 0.1, "policy": "", "parent": "", "kept": 0, "successes": 0},
        **{"discarded": 0, "minutes": 0.1, "phase": phase, "gripper": gripper},
    }
    return Status(**{**known, **fields})  # type: ignore[arg-type]


def tick(sequence: int = 0, at: float = 0.0, **fields: object) -> Tick:
    return Tick(status(**fields), np.zeros(3), sequence, at)  # type: ignore[arg-type]


class Desk:
    """A console with a gamepad, and what it sent."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.pad = RecordedPad()
        self.device = Gamepad(world(), pad=self.pad, speed=5).__enter__()
        self.sent: list[Input | Do] = []
        self.console = Console(self.sent.append, self.device, terminal=terminal)

    def turn(self) -> list[Input | Do]:
        self.sent.clear()
        self.console.tick()
        return list(self.sent)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.device.__exit__(None, None, None)
    made.pad.unplug()


def test_inputs_are_sent_when_something_changes_and_again_while_it_is_held(desk: Desk) -> None:
    (first,) = desk.turn()
    assert isinstance(first, Input)
    assert first.idle
    assert desk.turn() == []
    desk.pad.push(1, -1.0)
    (moved,) = desk.turn()
    assert isinstance(moved, Input)
    assert (moved.idle, moved.takeover, moved.sequence) == (False, True, 2)
    assert moved.twist[0] == pytest.approx(1.0, abs=0.01)
    assert moved.at <= 1e3 * time.monotonic()
    assert desk.turn() == []
    time.sleep(0.06)
    (again,) = desk.turn()
    assert isinstance(again, Input)
    assert again.sequence == 3
    desk.pad.push(1, 0.0)
    (rest,) = desk.turn()
    assert isinstance(rest, Input)
    assert rest.idle


def test_buttons_are_asked_for_once_with_their_value(desk: Desk) -> None:
    desk.turn()
    desk.pad.press(0x133)
    desk.pad.say((3, 16, -1))
    acts = [(do.act, do.value) for do in desk.turn() if isinstance(do, Do)]
    assert acts == [("rewind", REWIND), ("success", None)]
    assert [do for do in desk.turn() if isinstance(do, Do)] == []


def test_ahead_is_away_from_who_looks_through_the_front_camera(desk: Desk) -> None:
    desk.console.receive(SCENE)
    desk.pad.push(1, -1.0)
    (moved,) = desk.turn()
    assert isinstance(moved, Input)
    np.testing.assert_allclose(moved.twist[:3], [0, 1, 0], atol=0.01)


def grip(desk: Desk) -> float:
    """Press the gripper's button; return what was sent."""
    desk.pad.press(0x130)
    desk.pad.press(0x130, down=False)
    said = [message for message in desk.turn() if isinstance(message, Input)]
    return said[-1].gripper


def test_a_press_switches_the_gripper_that_there_is(desk: Desk) -> None:
    desk.console.receive(tick(phase="paused", gripper=0.97))  # of a frame that was gone back to
    desk.turn()
    assert grip(desk) == -1.0
    desk.console.receive(tick(gripper=0.97))  # not followed yet: what was pressed stands
    assert {m.gripper for m in desk.turn() if isinstance(m, Input)} == {-1.0}
    time.sleep(GRIP_WAIT)
    desk.console.receive(tick(gripper=-0.93))  # a policy's: about the same is left alone
    assert [m for m in desk.turn() if isinstance(m, Input) and m.gripper != -1.0] == []
    desk.console.receive(tick(gripper=0.2))
    desk.turn()
    assert grip(desk) == -1.0


def test_a_device_that_is_silent_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.turn()
    desk.pad.push(1, -1.0)
    read = desk.device.read
    monkeypatch.setattr(desk.device, "read", lambda: read()._replace(age=0.3))
    assert desk.turn() == []
    assert desk.console.state.lost


def test_what_the_session_says_is_noted_down(desk: Desk) -> None:
    shown = desk.console.state
    desk.console.receive(Notice("Cut short.", offer=("reach", "e7", 31)))
    desk.console.receive(Reply(1, False, "No episode is open."))
    desk.console.receive(Reply(2, True))
    assert [(n.text, n.tone) for n in shown.notices] == [("Cut short.", "plain"), ("No episode is open.", "bad")]
    desk.console.take_offer()
    (do,) = desk.sent
    assert isinstance(do, Do)
    assert (do.act, do.value, shown.offer) == ("open", ["reach", "e7", 31, "continue"], None)
    desk.console.take_offer()
    assert len(desk.sent) == 1
    desk.console.receive(tick(sequence=1, at=1e3 * time.monotonic() - 30))
    assert shown.reaction is not None
    assert 30 <= shown.reaction < 1000
    before = shown.reaction
    desk.console.receive(tick(sequence=1, at=0.0))  # the same input again
    assert shown.reaction == before
    desk.console.receive(Ended("The disk is gone."))
    assert shown.ended == "The disk is gone."


@pytest.fixture
def person() -> Iterator[Screen]:
    with screen(releases=False) as made:
        yield made


def test_beside_a_gamepad_the_terminals_keys_do_what_is_done_once(person: Screen) -> None:
    with Terminal(person.path) as terminal:
        desk = Desk(terminal)
        person.type("k", "?", "m", "=", "w")
        acts = [do.act for do in desk.turn() if isinstance(do, Do)]
        assert acts == ["keep"]
        assert (desk.console.state.keys, desk.console.state.muted) == (False, True)
        assert not desk.device.read().active  # W moves nothing here
        desk.console.receive(Notice("Kept.", "good", sound="kept"))
        person.serve(0.05)
        assert b"\a" not in person.written
        time.sleep(ONCE)  # else it would be the key's repeating
        person.type("m")
        desk.turn()
        desk.console.receive(Notice("Kept.", "good", sound="kept"))
        person.until(lambda: b"\a" in person.written)
        desk.device.__exit__(None, None, None)
        desk.pad.unplug()


def test_a_note_is_written_while_the_robot_rests(person: Screen) -> None:
    sent: list[Input | Do] = []
    with Terminal(person.path) as terminal, Keyboard(world(), terminal=terminal) as device:
        console = Console(sent.append, device, terminal=terminal)
        person.type("w", "n")
        console.tick()
        sent.clear()
        person.type("wex", "\x7f")
        console.tick()
        assert (console.state.note, [m for m in sent if isinstance(m, Do) or not m.idle]) == ("we", [])
        console.tick()
        person.type("!\r")
        console.tick()
        console.tick()
        assert [(m.act, m.value) for m in sent if isinstance(m, Do)] == [("note", "we!")]
        assert console.state.note is None
        sent.clear()
        person.type("n")
        console.tick()
        person.type("no")
        console.tick()
        person.type("\x1b")
        time.sleep(0.06)
        console.tick()
        console.tick()
        assert [m for m in sent if isinstance(m, Do)] == []
        assert console.state.note is None
