from typing import get_args

import pytest

from teleop.input.button_maps import GAMEPAD, SPACEMOUSE, Button, explain
from teleop.ipc.messages import CommandName

OWN = {"gripper", "faster", "slower", "slow", "takeover", "tilt"}  # what a device does by itself


@pytest.mark.parametrize("table", [GAMEPAD, SPACEMOUSE])
def test_every_button_does_something_that_there_is(table: tuple[Button, ...]) -> None:
    assert {button.act for button in table} <= OWN | set(get_args(CommandName))
    assert len({button.code for button in table}) == len(table)
    assert {button.act for button in table if button.held} <= {"slow", "takeover", "tilt"}
    assert {"gripper", "keep", "discard", "takeover", "start", "pause", "undo"} <= {button.act for button in table}
    assert all(name and does for name, does in explain(table))
