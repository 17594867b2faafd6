import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Command
from robo_rlhf.sim.tasks import TASKS
from teleop.input.action_mapping import from_action, to_action


@pytest.mark.parametrize("task", list(TASKS))
@given(data=st.data())
def test_an_action_survives_being_said_as_a_command(task: str, data: st.DataObject) -> None:
    names = TASKS[task].action_names
    value = st.floats(-1, 1, width=32)
    action = np.array(data.draw(st.lists(value, min_size=len(names), max_size=len(names))), np.float32)
    assert to_action(from_action(action, names), names).tobytes() == action.tobytes()


def test_each_part_of_a_command_has_its_column() -> None:
    command = Command(np.arange(1, 7) / 10, 0.7)
    arm = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], np.float32)
    names = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    np.testing.assert_array_equal(to_action(command, names), arm)
    np.testing.assert_array_equal(to_action(command, ("x", "y", "z", "yaw", "gripper")), arm[[0, 1, 2, 5, 6]])
    np.testing.assert_array_equal(to_action(command, ("forward", "turn")), arm[[0, 5]])


def test_commands_beyond_the_limits_are_cut() -> None:
    action = to_action(Command(np.full(6, 3.0), -2.0), ("x", "gripper"))
    np.testing.assert_array_equal(action, np.array([1.0, -1.0], np.float32))


def test_an_action_column_without_a_part_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"one of x, y, z, .*, got 'wing'"):
        to_action(Command(np.zeros(6), 0.0), ("x", "wing"))
