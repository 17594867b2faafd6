"""Names of tasks with their robots, and old names of attributes."""

import pytest

from robo_rlhf.core.errors import InvalidValueError, RoboRlhfError, UnknownNameError
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.sim.tasks.reach import Reach


def test_robot_is_part_of_the_name() -> None:
    assert "reach@arm6" in TASKS
    assert "reach@arm7" not in TASKS
    assert "nothing@arm6" not in TASKS
    assert "reach@arm6" not in list(TASKS)
    assert TASKS["reach@arm6"].name == "reach@arm6"
    assert TASKS["reach@arm"] is Reach  # by its one name
    TASKS.check("reach@arm6")


def test_unknown_robots_are_told_from_unknown_tasks() -> None:
    for name, kind in (("reach@arm66", "robot 'arm66'"), ("reech@arm6", "task 'reech'")):
        with pytest.raises(UnknownNameError, match=f"Unknown {kind}"):
            TASKS.check(name)
        with pytest.raises(UnknownNameError, match=f"Unknown {kind}"):
            TASKS[name]


def test_task_with_a_robot_of_its_own_takes_no_other() -> None:
    with pytest.raises(InvalidValueError, match="robot: expected none: navigate_room is no task of an arm, got 'arm6'"):
        TASKS["navigate_room@arm6"]


def test_old_name_of_the_style_cost_is_refused() -> None:
    with pytest.raises(RoboRlhfError, match="Task Old: cares_about is called style_cost now"):
        type("Old", (Reach,), {"cares_about": "tilt"})
