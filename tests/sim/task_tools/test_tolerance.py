"""tolerance(): one inside, falling off outside, never out of [0, 1]."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.sim.task_tools.tolerance import AT_MARGIN, distance, near, tolerance

numbers = st.floats(-100.0, 100.0)
positive = st.floats(0.01, 100.0)


@given(numbers, numbers, positive, positive)
def test_is_in_range_and_one_exactly_inside(x: float, low: float, width: float, margin: float) -> None:
    value = float(tolerance(np.array([x]), low, low + width, margin)[0])
    assert 0.0 <= value <= 1.0
    if low <= x <= low + width:
        assert value == 1.0


@given(numbers, positive, positive)
def test_has_the_agreed_value_at_the_margin(low: float, width: float, margin: float) -> None:
    x = np.array([low - margin, low + width + margin])
    assert tolerance(x, low, low + width, margin) == pytest.approx([AT_MARGIN, AT_MARGIN], rel=1e-6)


@given(numbers, numbers, positive)
def test_farther_is_never_better(a: float, b: float, margin: float) -> None:
    far, close = sorted((abs(a), abs(b)), reverse=True)
    assert tolerance(np.array([far]), margin=margin)[0] <= tolerance(np.array([close]), margin=margin)[0]


def test_without_margin_it_is_a_switch() -> None:
    x = np.array([-0.1, 0.0, 0.5, 1.0, 1.1])
    value = tolerance(x, 0.0, 1.0)
    assert value.tolist() == [0, 1, 1, 1, 0]
    assert value.dtype == np.float64


def test_takes_a_bound_at_infinity() -> None:
    assert tolerance(np.array([0.5, 2.0, 1e9]), 1.0, np.inf, 0.5) == pytest.approx([AT_MARGIN, 1.0, 1.0])


def test_near_is_a_tolerance_of_the_distance() -> None:
    a, b = np.zeros((3, 3)), np.array([[0.0, 0.0, 0.1], [0.3, 0.4, 0.0], [1.0, 2.0, 2.0]])
    assert distance(a, b) == pytest.approx([0.1, 0.5, 3.0])
    assert near(a, b, margin=0.4, radius=0.1) == pytest.approx([1.0, AT_MARGIN, 0.0], abs=1e-9)
    assert near(a[:, :2], b[:, :2], margin=0.5) == pytest.approx([1.0, AT_MARGIN, 0.0], abs=1e-9)
