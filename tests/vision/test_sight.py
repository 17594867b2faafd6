"""What is seen: cameras, sizes, and the columns that stay."""

import pytest

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.sight import Sight, check_cameras, shown_columns


def test_privileged_columns_are_columns_and_the_rest_is_the_robots_own() -> None:
    own = {"hand", "lead", "opening", "grip", "aim", "x", "y", "cos", "sin", "speed", "spin"}
    for name in TASKS:
        task = TASKS[name]
        assert set(task.privileged) <= set(task.obs_names), name
        left = [task.obs_names[i] for i in shown_columns(task.obs_names, task.privileged, ("privileged",))]
        assert left, name
        assert {column.partition("_")[0] for column in left} <= own, name


def test_things_and_columns_are_hidden_by_name() -> None:
    task = TASKS["pick_place"]
    left = [task.obs_names[i] for i in shown_columns(task.obs_names, task.privileged, ("cube", "bin_dx"))]
    assert left == [n for n in task.obs_names if not n.startswith("cube_") and n != "bin_dx"]
    with pytest.raises(UnknownNameError, match="cube"):
        shown_columns(task.obs_names, task.privileged, ("cub",))
    with pytest.raises(InvalidValueError, match="names its privileged columns"):
        shown_columns(("a", "b"), (), ("privileged",))


@pytest.mark.parametrize("size", [0, 7, 8192])
def test_a_size_that_no_network_is_helped_by_is_refused(size: int) -> None:
    with pytest.raises(InvalidValueError, match="from 8 to 512"):
        Sight(("front",), size)


def test_cameras_are_named_once_and_known() -> None:
    with pytest.raises(InvalidValueError, match="each of them once"):
        Sight(("front", "front"))
    with pytest.raises(UnknownNameError, match="wrist"):
        check_cameras(("wirst",), ("front", "wrist"))
