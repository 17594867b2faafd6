import time
from collections.abc import Iterator

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from teleop.devices.keyboard import Keyboard
from teleop.input.held_keys import HOLD
from teleop.input.response_curves import LEVEL, LEVELS, SLOW
from teleop.input.terminal import Terminal
from tests.teleop.making import world
from tests.teleop.terminals import Screen, screen

FULL = LEVELS[LEVEL - 1]


@pytest.fixture
def person() -> Iterator[Screen]:
    with screen() as made:
        yield made


def heard(keyboard: Keyboard, person: Screen) -> None:
    """Wait until the terminal has said what it can."""
    person.until(lambda: bool(keyboard.read()) and keyboard.keys.releases)


def test_keys_are_held_until_they_are_released(person: Screen) -> None:
    with Terminal(person.path) as terminal, Keyboard(world(), terminal=terminal) as keyboard:
        heard(keyboard, person)
        assert not keyboard.read().active
        person.type(b"\x1b[119;1:1u", b"\x1b[97;1:1u")
        said = keyboard.read()
        np.testing.assert_allclose(said.twist, [FULL, FULL, 0, 0, 0, 0])
        assert (said.active, said.buttons) == (True, {"takeover"})
        person.type(b"\x1b[119;1:3u")
        np.testing.assert_allclose(keyboard.read().twist, [0, FULL, 0, 0, 0, 0])
        person.type(b"\x1b[97;1:3u", b"\x1b[107;1:1u\x1b[107;1:3u")
        said = keyboard.read()
        assert (said.active, said.buttons, said.twist.any()) == (False, {"keep"}, False)


def test_a_terminal_that_does_not_answer_any_more_grows_old(person: Screen) -> None:
    with Terminal(person.path) as terminal, Keyboard(world(), terminal=terminal) as keyboard:
        heard(keyboard, person)
        person.type(b"\x1b[119;1:1u")
        ages = []
        for _ in range(40):  # a key that is held, and a terminal that answers
            person.serve(0.01)
            ages.append(keyboard.read().age)
        assert 0 < max(ages) < 0.2
        person.answers = False
        person.until(lambda: keyboard.read().age > 0.2, 2.0)
        assert keyboard.read().active  # it holds for its age


def test_without_releases_a_key_lasts_a_moment() -> None:
    with screen(releases=False) as person, Terminal(person.path) as terminal:
        keyboard = Keyboard(world(), terminal=terminal, speed=5, heading=90)
        person.type("W")
        np.testing.assert_allclose(keyboard.read().twist, [0, SLOW, 0, 0, 0, 0], atol=1e-9)
        person.type("r")
        np.testing.assert_allclose(keyboard.read().twist, [0, SLOW, SLOW, 0, 0, 0], atol=1e-9)
        time.sleep(HOLD + 0.02)
        said = keyboard.read()
        assert (said.active, said.twist.any()) == (False, False)


def test_gripper_speed_and_buttons() -> None:
    with screen(releases=False) as person, Terminal(person.path) as terminal:
        keyboard = Keyboard(world(), terminal=terminal)
        person.type(" ")
        said = keyboard.read()
        assert (said.gripper, said.active, keyboard.read().active) == (1.0, True, False)
        person.type("-", "x", "\x7f", "\r")
        said = keyboard.read()
        assert (said.buttons, keyboard.operator_state.level) == ({"discard", "rewind", "start"}, LEVEL - 1)
        person.type("p")
        keyboard.keys.feed(terminal.read(), 0.0)
        keyboard.operator_state.press("pause")
        keyboard.begin(1)
        assert keyboard.read().buttons == frozenset()


def test_its_own_terminal_is_opened_and_closed(person: Screen) -> None:
    with Keyboard(world(), path=person.path) as keyboard:
        person.type("w")
        assert keyboard.read().twist.any()
    person.serve(0.02)
    assert b"\x1b[<u" in person.written


@pytest.mark.parametrize("options", [{"speed": 0}, {"hold": 0.0}, {"hold": 3.0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="expected"):
        Keyboard(world(), **options)  # type: ignore[arg-type]
