"""Paths on the grid: short, around things, found for a whole batch at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.types import Array
from robo_rlhf.sim.task_tools.grid_planner import Box, GridPlanner, box_distance

WALL: Box = (0.0, -0.3, 0.1, 0.7)  # a passage is left above it
RADIUS = 0.15
PLANNER = GridPlanner(1.0, (WALL,), RADIUS)
EMPTY = GridPlanner(1.0, (), 0.1)
points = st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)).map(lambda p: np.array([p]))
LEFT, RIGHT = np.array([[-0.6, -0.5]]), np.array([[0.6, -0.5]])


@settings(max_examples=40)
@given(points, points)
def test_ways_through_the_open_are_straight(start: Array, goal: Array) -> None:
    """To a cell's size, and to the eighth part that a grid's eight directions lengthen a way by."""
    straight = np.sqrt(((goal - start) ** 2).sum())
    length = EMPTY.length(start, goal)[0]
    assert straight - 2 * EMPTY.cell <= length <= 1.09 * straight + 2 * EMPTY.cell


@settings(max_examples=40)
@given(points, points)
def test_ways_are_as_long_back_as_there(start: Array, goal: Array) -> None:
    if PLANNER.free[tuple(PLANNER.cells(start)[0])] and PLANNER.free[tuple(PLANNER.cells(goal)[0])]:
        assert PLANNER.length(start, goal) == pytest.approx(PLANNER.length(goal, start), abs=1e-9)


def test_ways_go_around() -> None:
    top = WALL[1] + WALL[3] + RADIUS
    around = 2 * np.hypot(0.6, top + 0.5)
    assert PLANNER.length(LEFT, RIGHT)[0] > 1.2
    assert PLANNER.length(LEFT, RIGHT)[0] == pytest.approx(around, rel=0.15)


def walk(start: Array, goal: Array, stride: float = 0.05) -> Array:
    """Follow the waypoints from `start` to `goal` (1, 2); return the places (T, 2)."""
    places = [start[0]]
    for _ in range(200):
        way = PLANNER.waypoint(places[-1][None], goal, ahead=2)[0] - places[-1]
        places.append(places[-1] + way * min(1.0, stride / max(np.sqrt(way @ way), 1e-9)))
    return np.array(places)


@settings(max_examples=20)
@given(points, points)
def test_waypoints_lead_to_the_goal_and_clear_of_things(start: Array, goal: Array) -> None:
    if not PLANNER.free[tuple(PLANNER.cells(goal)[0])] or not PLANNER.free[tuple(PLANNER.cells(start)[0])]:
        return
    places = walk(start, goal)
    np.testing.assert_allclose(places[-1], goal[0], atol=1e-9)
    assert box_distance(places, WALL).min() > RADIUS - PLANNER.cell
    assert np.abs(places).max() < 1.0 - RADIUS + PLANNER.cell


def test_who_stands_in_a_thing_is_led_out() -> None:
    start = np.array([[0.05, -0.4]])
    assert not PLANNER.free[tuple(PLANNER.cells(start)[0])]
    np.testing.assert_allclose(walk(start, RIGHT)[-1], RIGHT[0])


def test_at_the_goal_the_way_is_nothing() -> None:
    assert PLANNER.length(LEFT, LEFT) == 0.0
    assert np.array_equal(PLANNER.waypoint(LEFT, LEFT), LEFT)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_a_batch_is_its_rows(seed: int) -> None:
    start, goal = np.random.default_rng(seed).uniform(-1.2, 1.2, (2, 9, 2))  # also outside
    fresh = GridPlanner(1.0, (WALL,), RADIUS)
    lengths, ways = fresh.length(start, goal), fresh.waypoint(start, goal)
    for i in range(9):
        assert np.array_equal(PLANNER.length(start[i : i + 1], goal[i : i + 1]), lengths[i : i + 1])
        assert np.array_equal(PLANNER.waypoint(start[i : i + 1], goal[i : i + 1]), ways[i : i + 1])


@given(st.tuples(*4 * [st.floats(0.05, 2.0)]), st.tuples(*2 * [st.floats(-3.0, 3.0)]))
def test_distance_from_a_box(box: Box, point: tuple[float, float]) -> None:
    inside = all(abs(p - c) <= h for p, c, h in zip(point, box[:2], box[2:], strict=True))
    nearest = [np.clip(p, c - h, c + h) for p, c, h in zip(point, box[:2], box[2:], strict=True)]
    found = float(box_distance(np.array(point), box))
    assert found == pytest.approx(np.hypot(*np.subtract(point, nearest)), abs=1e-12)
    assert (found == 0.0) == inside or found < 1e-12
