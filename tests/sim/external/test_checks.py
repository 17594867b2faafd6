"""Checks of the values that an outside environment returns."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external import checks as checks
from robo_rlhf.sim.external.checks import Violation

HUGE = 10**400


class Unprintable:
    """Says nothing of itself."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "means"),
    [
        (True, True),
        (False, False),
        (np.bool_(True), True),
        (1, True),
        (0, False),
        (1.0, True),  # as Meta-World says it
        (np.float64(0.0), False),
        (np.int64(1), True),
        (np.array([True]), True),
        (np.array([[0.0]]), False),
        (np.array(1), True),
    ],
)
def test_a_flag_is_read_as_meant(value: Any, means: bool) -> None:
    assert checks.flag(value, "terminated") is means
    assert checks.success_of({"success": value}) is means


NO_FLAGS = [math.nan, "False", "", 2, -1, 0.5, [True], (), {}, np.array([]), np.array([True, False]), "1", 1j, HUGE]


@pytest.mark.parametrize("value", [*NO_FLAGS, np.array(["1"]), np.datetime64("NaT"), Unprintable()])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(Violation, match=r"^gave success .*, expected a bool, 0 or 1$"):
        checks.success_of({"success": value})
    with pytest.raises(Violation, match=r"^gave terminated "):
        checks.flag(value, "terminated")


@pytest.mark.parametrize(
    ("info", "means"),
    [
        ({}, False),
        ({"success": None}, False),
        ({"success": None, "is_success": True}, True),
        ({"success": False, "is_success": True}, False),
        ({"is_success": np.bool_(True)}, True),
        ({"is_success": {"task": False}}, False),  # robomimic
        ({"success": {"task": True, "grasp": False}}, True),
        ({"success": {"lift": np.array([1])}}, True),
    ],
)
def test_where_success_stands(info: dict[str, Any], means: bool) -> None:
    assert checks.success_of(info) is means


@pytest.mark.parametrize(
    "told", [{"grasp": True, "lift": True}, {"task": None}, {"task": {"task": True}}, {"task": "yes"}]
)
def test_success_in_a_dictionary_that_tells_nothing_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(Violation, match=r"^gave success "):
        checks.success_of({"success": told})


def test_info_is_a_dictionary() -> None:
    with pytest.raises(Violation, match="gave info None, expected a dictionary"):
        checks.success_of(None)


@pytest.mark.parametrize("value", [1.5, -3, True, np.float32(2.0), np.int8(4), np.array(0.25), np.array([7.0]), 3e38])
def test_rewards_are_read_exactly(value: Any) -> None:
    assert checks.reward_of(value) == float(np.asarray(value).reshape(-1)[0])


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e39, HUGE, None, "1", 1j, [1.0], np.array([1.0, 2.0]), np.float64("nan")]
)
def test_what_is_no_finite_real_number_is_no_reward(value: Any) -> None:
    with pytest.raises(Violation, match=r"^gave reward .*, expected a finite real number$"):
        checks.reward_of(value)


@given(st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.binary(), st.complex_numbers()))
def test_a_reward_is_a_finite_number_or_a_violation(value: Any) -> None:
    with contextlib.suppress(Violation):
        assert math.isfinite(np.float32(checks.reward_of(value)))


@given(st.lists(st.floats(width=64), min_size=1, max_size=5))
def test_fits_says_whether_float32_can_hold_it(values: list[float]) -> None:
    row = np.array(values)
    with np.errstate(over="ignore"):
        assert checks.fits(row) == bool(np.isfinite(row.astype(np.float32)).all()) or np.abs(row).max() > checks.LARGEST


@pytest.mark.parametrize("given", [None, 5, (1, 2, 3, 4), (1, 2, 3, 4, 5, 6), [np.zeros(1), 0.0, False, False, {}]])
def test_a_step_gives_five(given: Any) -> None:
    with pytest.raises(Violation, match=r"gave from step .*, expected five: "):
        checks.step_of(given)


@pytest.mark.parametrize("given", [np.zeros(2), (np.zeros(2),), (1, 2, 3), {"obs": 1}])
def test_a_reset_gives_two(given: Any) -> None:
    with pytest.raises(Violation, match=r"gave from reset .*, expected a pair \(observation, info\)"):
        checks.reset_of(given)


@pytest.mark.parametrize("ends", [(True, False), (False, True), (True, True), (np.bool_(True), 0), (False, False)])
def test_an_episode_ends_by_either(ends: tuple[Any, Any]) -> None:
    assert checks.step_of((0, 0.0, *ends, {}))[3] is any(ends)
    for place in (0, 1):
        wrong: list[Any] = [False, False]
        wrong[place] = None
        with pytest.raises(Violation, match=f"gave {('terminated', 'truncated')[place]} None"):
            checks.step_of((0, 0.0, *wrong, {}))


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 3)),
        np.zeros((0, 3, 3), np.uint8),
        None,
    ],
)
def test_pictures_that_are_none(frame: Any) -> None:
    with pytest.raises(Violation, match=r"gave a picture (of .*|None), expected uint8 \(height, width, 3\)"):
        checks.picture_of(frame, None)


def test_pictures_keep_their_size() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert checks.picture_of(picture, (4, 6, 3)) is picture
    with pytest.raises(Violation, match=r"gave a picture of \(4, 6, 3\), expected \(6, 4, 3\) as before"):
        checks.picture_of(picture, (6, 4, 3))


class Clock(gymnasium.Env[Array, Array]):
    """Says a time step, and how many pictures a second."""

    def __init__(self, dt: Any, fps: Any = None) -> None:
        if dt is not None:
            self.dt = dt
        self.metadata = {"render_fps": fps}


@pytest.mark.parametrize(
    ("dt", "fps", "seconds"),
    [
        (0.05, 7, 0.05),
        (0.01, 10, 0.1),  # as PushT has it: ten steps of its physics between two actions
        (np.float32(0.25), 7, 0.25),
        (1, 7, 1.0),
        (None, 25, 0.04),
        (None, None, 0.05),
        (Clock, 10, 0.1),
        (True, 10, 0.1),
    ],
)
def test_the_time_step(dt: Any, fps: Any, seconds: float) -> None:
    assert checks.time_step(Clock(dt, fps), "X") == seconds


@pytest.mark.parametrize(
    ("dt", "fps", "message"),
    [
        (0.0, 20, "dt = 0.0"),
        (-0.05, 20, "dt = -0.05"),
        (math.nan, 20, "dt = nan"),
        (math.inf, 20, "dt = inf"),
        (3600.0, 20, "dt = 3600.0"),
        (None, 0, "render_fps = 0"),
        (None, -20, "render_fps = -20"),
        (None, "fast", "render_fps = 'fast'"),
        (None, math.nan, "render_fps = nan"),
    ],
)
def test_time_steps_that_are_none(dt: Any, fps: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"time step of X: expected 0.0001 to 10 s .*, got {message}"):
        checks.time_step(Clock(dt, fps), "X")


def test_what_was_raised_is_told_in_one_line_with_its_place() -> None:
    def wheel() -> None:
        raise ZeroDivisionError("the wheel\ncame off")

    told = raised_by(wheel)
    assert told.startswith("raised ZeroDivisionError in step (test_checks.py:")
    assert told.endswith("): the wheel came off")


def raised_by(work: Callable[[], None]) -> str:
    try:
        work()
    except Exception as error:
        return checks.raised("step", error)
    raise AssertionError


def test_an_assertion_without_a_message_is_shown_itself() -> None:
    def wheel() -> None:
        raise AssertionError

    assert raised_by(wheel).endswith("): raise AssertionError")
