import numpy as np
import pytest

from teleop.input.operator_state import OperatorState
from teleop.input.response_curves import LEVELS, SLOW

ARM = ("x", "y", "z", "yaw", "gripper")
AHEAD = np.array([1.0, 0, 0, 0, 0, 0])


def test_speed_levels_and_slow() -> None:
    hand = OperatorState(ARM, speed=4)
    assert hand.command(AHEAD).twist[0] == LEVELS[3]
    for _ in range(9):
        hand.press("faster")
    assert hand.command(AHEAD).twist[0] == LEVELS[-1]
    assert hand.command(AHEAD, slow=True).twist[0] == pytest.approx(LEVELS[-1] * SLOW)
    for _ in range(9):
        hand.press("slower")
    assert hand.command(AHEAD).twist[0] == LEVELS[0]


def test_no_direction_is_faster_than_full_or_bent_at_the_limit() -> None:
    out = OperatorState(ARM, heading=30, speed=5).command(np.array([1.0, 1.0, 0, 0, 0, 0])).twist
    assert np.abs(out).max() == 1.0
    assert np.degrees(np.arctan2(out[1], out[0])) == pytest.approx(75)


def test_a_rover_ignores_where_its_operator_looks() -> None:
    np.testing.assert_array_equal(OperatorState(("forward", "turn"), heading=90, speed=5).command(AHEAD).twist, AHEAD)


def test_what_was_pressed_is_said_once() -> None:
    hand = OperatorState(ARM)
    hand.press("keep")
    hand.press("gripper")
    first, second = hand.command(np.zeros(6)), hand.command(np.zeros(6))
    assert (first.buttons, first.gripper) == (frozenset({"keep", "takeover"}), 1.0)
    assert (second.buttons, second.gripper) == (frozenset(), 1.0)
    hand.press("discard")
    hand.begin()
    assert hand.command(np.zeros(6)).buttons == frozenset()
    assert hand.gripper == 1.0


def test_moving_takes_over_and_so_does_the_key() -> None:
    hand = OperatorState(ARM, speed=1)
    for said, drives in (
        (hand.command(AHEAD * 0.04), False),
        (hand.command(AHEAD * 0.2), True),
        (hand.command(np.zeros(6), takeover=True), True),
        (hand.command(AHEAD, lost=True), False),
    ):
        assert (said.active, said.buttons == {"takeover"}) == (drives, drives)
