import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from teleop.input.response_curves import apply_curve, apply_stick_curve, check_response, has_own_ahead, rotate_twist

ways = st.floats(-1, 1)


@given(ways, ways, st.floats(0, 0.5), st.floats(0.5, 4))
def test_a_stick_keeps_its_direction_and_reaches_from_nothing_to_all(
    x: float, y: float, deadzone: float, curve: float
) -> None:
    out = apply_stick_curve(np.array([x, y]), deadzone, curve)
    size, wanted = np.hypot(*out), np.hypot(x, y)
    assert 0 <= size <= 1 + 1e-9
    assert (size == 0) == (wanted <= deadzone) or size < 1e-6
    if size > 1e-6:
        np.testing.assert_allclose(out / size, np.array([x, y]) / wanted, atol=1e-6)


def test_an_axis_by_itself() -> None:
    np.testing.assert_allclose(apply_curve(np.array([-1.0, -0.1, 0.0, 0.55, 1.0]), 0.1, 2.0), [-1, 0, 0, 0.25, 1])


@given(st.lists(ways, min_size=6, max_size=6), st.floats(-360, 360))
def test_turning_keeps_height_and_lengths(twist: list[float], heading: float) -> None:
    out = rotate_twist(np.array(twist), heading)
    np.testing.assert_allclose(out[[2, 5]], np.array(twist)[[2, 5]], atol=1e-9)
    np.testing.assert_allclose(np.hypot(*out[:2]), np.hypot(*twist[:2]), atol=1e-9)
    np.testing.assert_allclose(rotate_twist(out, -heading), twist, atol=1e-9)


def test_ahead_of_who_looks_along_y_is_y() -> None:
    np.testing.assert_allclose(rotate_twist(np.array([1.0, 0, 0, 0, 1.0, 0]), 90), [0, 1, 0, -1, 0, 0], atol=1e-12)


def test_a_rover_has_an_ahead_of_its_own() -> None:
    assert has_own_ahead(("forward", "turn"))
    assert not has_own_ahead(("x", "y", "z", "yaw", "gripper"))


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ((1.0, 1.0, 3), "deadzone: expected at least 0 and less than 1, got 1"),
        ((0.1, 0.0, 3), "curve: expected an exponent"),
        ((0.1, float("nan"), 3), "curve: expected an exponent"),
        ((0.1, 1.0, 6), "speed: expected a level from 1 to 5, got 6"),
    ],
)
def test_a_feel_that_cannot_be(given_: tuple[float, float, int], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        check_response(*given_)
