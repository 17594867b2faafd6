import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.external.controls import (
    ActionColumn,
    ColumnControl,
    banks,
    check_columns,
    parse_controls,
    usual_controls,
)


def columns(*names: str) -> list[ActionColumn]:
    return [ActionColumn(name) for name in names]


def sources(task: str, found: list[ActionColumn]) -> list[str]:
    return [("-" if one.sign < 0 else "") + one.source for one in usual_controls(task, found)]


@pytest.mark.parametrize(
    ("task", "count", "expected"),
    [
        ("Meta-World/MT1:door-open-v3", 4, ["x", "y", "z", "gripper"]),
        ("gymnasium_robotics:FetchPickAndPlace-v4", 4, ["x", "y", "z", "-gripper"]),
        ("FetchReach-v4@50", 4, ["x", "y", "z", "-gripper"]),
        ("gym_hil/PandaPickCubeBase-v0", 7, ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]),
        ("my_robosuite:Lift-v0", 7, ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]),
        ("Odd-v0", 5, ["joint1", "joint2", "joint3", "joint4", "joint5"]),
    ],
)
def test_known_collections_have_conventions(task: str, count: int, expected: list[str]) -> None:
    assert sources(task, [ActionColumn(f"action[{i}]") for i in range(count)]) == expected


def test_names_are_conventions_too_and_joints_have_keys_where_nothing_fits() -> None:
    assert sources("reach", columns("x", "y", "z", "yaw", "gripper")) == ["x", "y", "z", "yaw", "gripper"]
    pusher = usual_controls("Pusher-v5", columns(*(f"j{i}" for i in range(7))))
    assert [one.source for one in pusher] == [f"joint{i}" for i in range(1, 8)]
    assert banks(pusher) == 2


def test_where_the_tip_is_to_go_is_moved_and_stays() -> None:
    assert {one.kind for one in usual_controls("gym_pusht/PushT-v0", columns("action[0]", "action[1]"))} == {"target"}


def test_each_thing_of_a_choice_has_half_of_a_pair_of_keys() -> None:
    cart = [ActionColumn("action=0", "choice", first=True), ActionColumn("action=1", "choice")]
    assert sources("CartPole-v1", cart) == ["joint2", "-joint2"]
    many = [ActionColumn(f"action={i}", "choice", first=i == 0) for i in range(14)]
    found = usual_controls("Many-v0", many)
    assert len({(one.source, one.sign) for one in found}) == 14
    assert banks(found) == 2


def test_controls_of_a_command_line() -> None:
    usual = usual_controls("Odd-v0", columns("a", "b", "c"))
    found = parse_controls("x=0, -gripper=c", usual)
    assert [(one.column, one.source, one.sign) for one in found] == [("a", "x", 1), ("b", "", 1), ("c", "gripper", -1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x=0,y=0", "column a twice"),
        ("x=0,y=a", "column a twice"),
        ("x=7", "the columns are 0 a, 1 b, 2 c"),
        ("x", "SOURCE=COLUMN"),
        ("wing=0", "'wing'"),
        ("joint0=0", "'joint0'"),
        ("rest=0", "a column of a choice"),
    ],
)
def test_controls_that_are_none_are_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        parse_controls(text, usual_controls("Odd-v0", columns("a", "b", "c")))


def test_controls_are_those_of_all_columns_each_once() -> None:
    usual = usual_controls("Odd-v0", columns("a", "b"))
    with pytest.raises(InvalidValueError, match="each of a, b"):
        check_columns([ColumnControl("a", "x"), ColumnControl("a", "y")], usual)
    with pytest.raises(InvalidValueError, match="kind of column a"):
        check_columns([ColumnControl("a", "x", kind="target"), ColumnControl("b", "y")], usual)
    with pytest.raises(InvalidValueError, match="scale of column a"):
        ColumnControl("a", "x", scale=float("nan"))
