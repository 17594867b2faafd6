from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Command
from robo_rlhf.sim.external.controls import ColumnControl
from robo_rlhf.sim.tasks import TASKS
from teleop.input.action_mapping import ActionMapping, check_joints, from_action, to_action


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


def twist(axis: int, value: float, **fields: Any) -> Command:
    return Command(np.eye(6)[axis] * value, 1.0, **fields)


def test_controls_that_are_names_mean_the_same_bit_for_bit() -> None:
    names = ("x", "y", "z", "yaw", "gripper")
    mapping = ActionMapping([ColumnControl(name, name) for name in names], 0.05)
    command = Command(np.random.default_rng(0).uniform(-1, 1, 6), 0.3)
    assert mapping.action(command).tobytes() == to_action(command, names).tobytes()


def test_direction_scale_dead_zone_and_rest() -> None:
    controls = [
        ColumnControl("a", "x", -1, scale=0.5, dead_zone=0.2),
        ColumnControl("gas", "y", rest=-1.0),
        ColumnControl("fingers", "gripper", -1),
        ColumnControl("still", ""),
    ]
    mapping = ActionMapping(controls, 0.05)
    np.testing.assert_allclose(mapping.action(twist(0, 0.6)), [-0.25, -1, -1, 0], atol=1e-7)
    np.testing.assert_allclose(mapping.action(twist(0, 0.1))[0], 0)
    np.testing.assert_allclose(mapping.action(twist(1, 0.5))[1], 0)
    np.testing.assert_allclose(mapping.action(twist(1, 1.0))[1], 1)
    assert mapping.gripper(np.array([0, 0, -1, 0])) == 1.0


def test_a_position_is_moved_and_stays() -> None:
    mapping = ActionMapping([ColumnControl("j", "joint1", kind="target")], 0.1)
    mapping.begin(np.array([0.25]))
    moved = [float(mapping.action(twist(0, push))[0]) for push in (1.0, 1.0, 0.0, -1.0)]
    np.testing.assert_allclose(moved, [0.35, 0.45, 0.45, 0.35], atol=1e-6)


def test_keys_drive_the_joints_of_their_set() -> None:
    mapping = ActionMapping([ColumnControl(f"j{i}", f"joint{i + 1}") for i in range(8)], 0.05)
    np.testing.assert_array_equal(mapping.action(twist(1, 1.0)), np.eye(8)[1])
    np.testing.assert_array_equal(mapping.action(twist(1, 1.0, bank=1)), np.eye(8)[7])


def test_of_a_choice_the_thing_that_is_pushed_is_chosen_until_another_is() -> None:
    controls = [ColumnControl(f"action={i}", "joint2", 1 - 2 * i, kind="choice") for i in range(2)]
    mapping = ActionMapping(controls, 0.02)
    mapping.begin(np.full(2, np.nan))
    chosen = [mapping.action(twist(1, push)).argmax() for push in (0.0, -1.0, 0.0, 1.0)]
    assert chosen == [0, 1, 1, 0]
    resting = ActionMapping([controls[0], replace(controls[1], rest=1.0)], 0.02)
    resting.begin(np.full(2, np.nan))
    assert [resting.action(twist(1, push)).argmax() for push in (1.0, 0.0)] == [0, 1]


def test_positions_of_joints_are_taken_over_where_columns_are_positions() -> None:
    controls = [ColumnControl("j", "joint1", kind="target"), ColumnControl("k", "joint2", kind="target")]
    mapping = ActionMapping([*controls, ColumnControl("motor", "joint3")], 0.1)
    mapping.begin(np.array([0.2, 0.3, np.nan]))
    said = Command(np.zeros(6), -1.0, joints=np.array([-0.75, np.nan, 0.5]))
    np.testing.assert_allclose(mapping.action(said), [-0.75, 0.3, 0.0], atol=1e-6)
    check_joints("leader", "Arm-v0", controls)
    with pytest.raises(InvalidValueError, match="Reacher-v5 has motor, which are not"):
        check_joints("leader", "Reacher-v5", [ColumnControl("motor", "joint1")])
