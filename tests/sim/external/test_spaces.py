"""Spaces of outside environments as columns with names, and back."""

import math
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Text, Tuple
from gymnasium.spaces.utils import flatten
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.external.checks import Violation
from robo_rlhf.sim.external.spaces import Actions, Observations, is_picture, scale

WHOLE = Dict(
    {
        "robot": Dict({"arm": Box(-1, 1, (2,)), "open": MultiBinary(2)}),
        "goal": Box(-1, 1, ()),
        "mode": Discrete(3, start=5),
        "grid": Box(-1, 1, (2, 2)),
        "pair": Tuple((MultiDiscrete([2, 3]), Box(0, 2, (1,)))),
    }
)


def space() -> Dict:
    return Dict({"pose": Box(-1, 1, (2, 2)), "joints": Box(-1, 1, (3,)), "image": Box(0, 255, (1,), np.uint8)})


def entry(**change: Any) -> dict[str, Any]:
    return {"pose": np.zeros((2, 2)), "joints": [1, 2.5, 3], "image": np.array([9], np.uint8), **change}


def test_observations_are_flattened_by_name() -> None:
    assert Observations(space(), "x").row(entry(more="unread")).tolist() == [9, 1, 2.5, 3, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (
            entry(joints=np.zeros(1)),
            r"observation\['joints'\] of float64 \(1,\), expected real numbers, shape \(3,\)",
        ),
        (entry(joints=np.float64(0)), r"\['joints'\] of float64 \(\),"),  # would be written into all three columns
        (entry(pose=np.zeros(4)), r"\['pose'\] of float64 \(4,\), expected real numbers, shape \(2, 2\)"),
        (entry(joints=["1", "2", "3"]), r"\['joints'\] of <U1 \(3,\)"),
        (entry(joints=np.zeros(3, complex)), "of complex128"),
        (entry(joints=None), r"of object \(\)"),
        (entry(joints=[1, [2], 3]), "an observation .*, expected an array of real numbers"),
        ({"pose": np.zeros((2, 2))}, r"an observation with \['pose'\], expected an entry 'image'"),
        (np.zeros(8), "expected an entry 'image'"),
        (entry(joints=[0, math.nan, 0]), "an observation with column 2 = nan, expected finite numbers"),
        (entry(joints=[0, 0, math.inf]), "column 3 = inf"),
        (entry(joints=[0, 1e300, 0]), r"column 2 = 1e\+300"),  # infinite as float32
    ],
)
def test_observations_that_are_none(obs: Any, message: str) -> None:
    with pytest.raises(Violation, match=message):
        Observations(space(), "x").row(obs)


def test_observation_spaces_hold_something() -> None:
    for empty in (Dict({}), Box(0, 1, (0,))):
        with pytest.raises(InvalidValueError, match="obs of X: expected one that holds at least one number"):
            Observations(empty, "obs of X")


def box(low: Any, high: Any, dtype: type = np.float32) -> Box:
    return Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (box([0, 0], [0, 0]), "got bounds without width: actions 0 and 1 can only be 0; a MuJoCo model that names no"),
        (box([2], [2]), "got bounds without width: action 0 can only be 2"),
        (box([-np.inf], [np.inf]), "expected a Box of floating-point numbers with finite bounds"),
        (box([np.finfo(np.float64).min], [np.finfo(np.float64).max], np.float64), "whose difference is finite too"),
        (box([np.finfo(np.float32).min], [np.finfo(np.float32).max]), "whose difference is finite too"),
        (box([], []), "expected a Box"),
        (Box(0, 3, (2,), np.int32), "expected a Box of floating-point numbers"),
    ],
)
def test_actions_that_cannot_be_chosen_are_refused(space: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"action space of X: .*{message}"):
        Actions(space, "X")


def test_a_column_without_width_is_named() -> None:
    assert Actions(box([-1, 0.5, -1], [1, 0.5, 1]), "X").still == [1]
    assert Actions(box([-1e30], [1e30]), "X").still == []


def test_every_column_has_a_name_of_its_own() -> None:
    assert Observations(Box(-1, 1, (3,)), "x").names == ("obs[0]", "obs[1]", "obs[2]")
    names = Observations(WHOLE, "x").names
    assert names == (
        *("goal", "grid[0,0]", "grid[0,1]", "grid[1,0]", "grid[1,1]", "mode=5", "mode=6", "mode=7"),
        *("pair.0[0]=0", "pair.0[0]=1", "pair.0[1]=0", "pair.0[1]=1", "pair.0[1]=2", "pair.1"),
        *("robot.arm[0]", "robot.arm[1]", "robot.open[0]=0", "robot.open[0]=1", "robot.open[1]=0", "robot.open[1]=1"),
    )
    assert Actions(WHOLE, "X").names == names


@given(st.integers(0, 2**31))
def test_columns_of_a_space_hold_what_gymnasium_s_flattening_holds(seed: int) -> None:
    plain = Dict({name: WHOLE[name] for name in ("goal", "grid", "mode", "pair")})
    plain.seed(seed)
    sample = plain.sample()
    assert np.allclose(Observations(plain, "x").row(sample), flatten(plain, sample))


@given(st.integers(0, 2**31))
def test_an_action_comes_back_from_its_columns(seed: int) -> None:
    actions = Actions(WHOLE, "X")
    columns = np.random.default_rng(seed).uniform(-1, 1, (3, actions.size)).astype(np.float32)
    applied = actions.applied(columns)
    commands = actions.commands(columns)
    for command, other, row in zip(commands, actions.commands(applied), applied, strict=True):
        assert command in WHOLE
        assert repr(command) == repr(other), "what was applied is what was chosen"
        held = Observations(WHOLE, "x").row(command)
        mode = [actions.names.index(f"mode={i}") for i in (5, 6, 7)]
        assert np.array_equal(held[mode] == 1, row[mode] == 1)
    assert np.array_equal(actions.applied(applied), applied)


def test_a_single_choice_is_the_number_of_the_largest_column() -> None:
    actions = Actions(Discrete(3, start=1), "X")
    found = actions.commands(np.array([[0.1, 0.9, -1], [0.3, 0.2, 0.1]]))
    assert list(found) == [2, 1]
    assert actions.applied(np.array([[0.1, 0.9, -1]])).tolist() == [[-1, 1, -1]]
    assert all(command in Discrete(3, start=1) for command in found)


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        ({"mode": 8}, r"observation\['mode'\] of 8, expected one of Discrete\(3, start=5\)"),
        ({"mode": 5.5}, "one of Discrete"),
        ({"pair": (np.array([0, 3]), np.zeros(1))}, r"\['pair'\]\[0\] of \[0, 3\], expected one of MultiDiscrete"),
        ({"pair": (np.array([0, 1]),)}, "expected a tuple with an entry 1"),
        ({"pair": 3}, "expected a tuple with an entry 0"),
    ],
)
def test_choices_that_are_none(obs: dict[str, Any], message: str) -> None:
    WHOLE.seed(0)
    with pytest.raises(Violation, match=message):
        Observations(WHOLE, "x").row({**WHOLE.sample(), **obs})


@pytest.mark.parametrize(
    ("space", "picture"),
    [
        (Box(0, 255, (480, 640, 3), np.uint8), True),
        (Box(0, 255, (96, 96), np.uint8), True),
        (Box(0, 1, (3, 84, 84), np.float32), True),
        (Box(0, 255, (8,), np.uint8), False),
        (Box(-1, 1, (20, 20), np.float32), False),
        (Box(-1, 1, (5, 20, 3), np.float32), False),
        (Discrete(3), False),
    ],
)
def test_a_picture_alone_is_a_camera_or_refused(space: Space[Any], picture: bool) -> None:
    assert is_picture(space) == picture
    whole = Dict({"pixels": space})
    if picture and space.dtype == np.uint8 and space.shape == (480, 640, 3):
        assert Observations(whole, "x").sizes == {"pixels": (480, 640, 3)}
        assert Observations(space, "x").cameras == {"pixels": ""}
    elif picture:
        with pytest.raises(
            InvalidValueError,
            match=r"observation space of X\['pixels'\]: expected a picture of uint8.*obs_type=pixels_agent_pos, got ",
        ):
            Observations(whole, "observation space of X")
    else:
        assert Observations(whole, "x").size


def test_pictures_beside_numbers_are_cameras_by_name() -> None:
    picture = Box(0, 255, (48, 64, 3), np.uint8)
    arms = Dict({"pixels": Dict({"top": picture}), "agent_pos": Box(-9, 9, (2,)), "zoom": Box(0, 1, ())})
    reader = Observations(arms, "x")
    assert (reader.names, reader.sizes) == (("agent_pos[0]", "agent_pos[1]", "zoom"), {"pixels.top": (48, 64, 3)})
    arms.seed(0)
    seen = arms.sample()
    assert reader.row(seen).tolist() == [*seen["agent_pos"].tolist(), float(seen["zoom"])]
    assert np.array_equal(reader.pictures(seen)["pixels.top"], seen["pixels"]["top"])
    assert Observations(Box(-9, 9, (2,)), "x").sizes == {}


@pytest.mark.parametrize("space", [Text(3), Dict({"a": Text(3)}), Tuple((Discrete(1), MultiDiscrete([1])))])
def test_spaces_that_cannot_be_columns_or_leave_no_choice(space: Space[Any]) -> None:
    with pytest.raises(InvalidValueError, match="action space of X"):
        Actions(space, "X")


@given(st.floats(-1, 1), st.floats(-1e3, 1e3), st.floats(0.1, 1e3))
def test_actions_fill_the_bounds_and_never_pass_them(action: float, low: float, width: float) -> None:
    box = Box(low, low + width, (1,), np.float64)
    assert scale(box, np.array([[action]]))[0] in box
    assert scale(box, np.array([[-1.0], [1.0]])).ravel().tolist() == [box.low[0], box.high[0]]
