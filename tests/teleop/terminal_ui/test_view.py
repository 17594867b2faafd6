import re

import pytest

from teleop.input.button_maps import GAMEPAD, SPACEMOUSE, Button
from teleop.input.key_bindings import KEYS, PAGE_ONLY, key_name
from teleop.ipc.messages import Notice
from teleop.terminal_ui.console import ConsoleState
from teleop.terminal_ui.view import draw
from tests.teleop.terminal_ui.test_console import SCENE, status


def lines(shown: ConsoleState, columns: int = 80, rows: int = 24, buttons: tuple[Button, ...] = ()) -> list[str]:
    """Return the screen without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", draw(shown, (columns, rows), buttons, "Pictures: there.")).splitlines()


def full() -> ConsoleState:
    shown = ConsoleState(
        SCENE, status(kept=16, successes=12, discarded=3, minutes=20.0, frame=248, frames=249), level=4
    )
    shown.notices.extend(Notice(text) for text in ("One.", "Two.", "Three."))
    shown.reaction, shown.releases = 21.0, False
    return shown


@pytest.mark.parametrize("buttons", [(), GAMEPAD, SPACEMOUSE], ids=["keyboard", "gamepad", "spacemouse"])
def test_everything_fits_into_a_small_terminal(buttons: tuple[Button, ...]) -> None:
    seen = lines(full(), buttons=buttons)
    assert len(seen) <= (27 if buttons else 24)
    assert max(map(len, seen)) <= 80
    text = "\n".join(seen)
    for said in (
        *("reach · Touch it.", "seed 1", "● recording", "00:12.4", "step 248", "success ○ no", "gripper open"),
        *("source you", "speed 4 of 5", "21 ms", "kept 16 · successes 12 · failed 4 · discarded 3 · 48 an hour"),
        *("One.", "Two.", "Three.", "Ctrl-C ends", "Pictures: there.", "Backspace Back by a second"),
    ):
        assert said in text


def test_every_key_that_does_something_here_is_shown() -> None:
    text = "\n".join(lines(full(), 120, 40))
    axes = {0, 1, 2}  # of the scene's action columns
    for binding in KEYS:
        elsewhere = binding.act in PAGE_ONLY or binding.act == "joints"  # of a robot with more joints than keys
        wanted = not elsewhere and (binding.axis is None or binding.axis in axes)
        assert (binding.label in text) == wanted, binding
        if wanted:
            assert re.search(rf"{re.escape(key_name(binding.keys[0]))} +{re.escape(binding.label)}", text)


def test_phases_marks_and_troubles_are_said_in_words() -> None:
    shown = full()
    for fields, said in (
        ({"phase": "ready"}, "○ ready"),
        ({"phase": "paused", "frame": 100, "frames": 249}, "step 100 of 248"),
        ({"phase": "running", "holds": True}, "● recording, the robot holds"),
        ({"success": True, "mark": "failure"}, "success ● yes   marked failure"),
        ({"source": "policy", "policy": "runs/a", "gripper": 1.0}, "gripper closed · source policy"),
        ({"trouble": "The disk is almost full."}, "The disk is almost full."),
    ):
        shown.status = status(**fields)  # type: ignore[arg-type]
        assert said in "\n".join(lines(shown))
    shown.lost = True
    shown.note = "touches"
    shown.offer, shown.status = ("reach", "e", 3), status("ready")
    text = "\n".join(lines(shown))
    assert "Nothing is received from the device; the robot holds. Nothing is lost." in text
    assert "Note: touches" in text
    assert "Tab: go on from there" in text


def test_hidden_keys_long_names_and_a_session_that_starts() -> None:
    shown = full()
    shown.keys = False
    shown.notices.append(Notice("x" * 300))
    seen = lines(shown)
    assert "shows the keys" in "\n".join(seen)
    assert max(map(len, seen)) <= 80
    assert lines(ConsoleState()) == [" Starting the session ..."]


def test_colours_rest_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in draw(full(), (80, 24))
