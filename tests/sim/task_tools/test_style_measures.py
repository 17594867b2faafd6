"""Style measures of motions whose measures are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.types import Array
from robo_rlhf.sim.task_tools import style_measures

DT = 0.05  # [s]


def motion(t: Array, *powers: float) -> dict[str, Array]:
    """Signals of a motion along (1, 2, 2)/3, whose place is a polynomial of time."""
    place = sum(a * t**i for i, a in enumerate(powers, start=1))
    return {"ee_pos": np.outer(place, np.array([1, 2, 2]) / 3).astype(np.float64)}


@given(st.integers(2, 60), st.floats(0.01, 1.0))
def test_path_of_a_straight_line(steps: int, speed: float) -> None:
    found = style_measures.summarize(motion(DT * np.arange(steps), speed), DT)
    assert found["path_length"] == pytest.approx(speed * DT * (steps - 1))


def test_path_counts_ways_back() -> None:
    there = np.linspace(0, 1, 11)
    signals = {"ee_pos": np.stack([np.concatenate([there, there[::-1]]), np.zeros(22), np.zeros(22)], axis=1)}
    assert style_measures.summarize(signals, DT)["path_length"] == pytest.approx(2.0)


@given(st.integers(4, 60), st.floats(0.01, 5.0), st.sampled_from([0.02, 0.05, 0.1]))
def test_jerk_of_polynomials(steps: int, a: float, dt: float) -> None:
    t = dt * np.arange(steps)
    assert style_measures.summarize(motion(t, 1.0, a), dt)["peak_jerk"] == pytest.approx(
        0.0, abs=1e-7
    )  # constant acceleration
    assert style_measures.summarize(motion(t, 0.0, 1.0, a), dt)["peak_jerk"] == pytest.approx(6 * a, rel=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_episodes_have_no_jerk(steps: int) -> None:
    found = style_measures.summarize(motion(DT * np.arange(steps), 1.0), DT)
    assert found["peak_jerk"] == 0.0
    assert found["path_length"] == pytest.approx(DT * (steps - 1))


def test_peaks_and_least_room() -> None:
    column = np.array([[0.3], [0.1], [0.7], [0.2]], np.float32)
    found = style_measures.summarize({"contact_force": 10 * column, "tilt": column, "clearance": column}, DT)
    assert found == pytest.approx({"peak_contact_force": 7.0, "tilt": 0.7, "clearance": 0.1})


def test_measures_without_their_signal_are_left_out() -> None:
    assert style_measures.series({"gripper": np.zeros((3, 1))}, DT) == {}
    assert style_measures.summarize({"tilt": np.zeros((3, 1))}, DT) == {"tilt": 0.0}


@pytest.mark.parametrize("name", [name for name, m in style_measures.MEASURES.items() if m.signal != "ee_pos"])
def test_costs_are_lower_for_what_is_better(name: str) -> None:
    measure = style_measures.MEASURES[name]
    felt = measure.scale * np.linspace(0, 0.9, 6) * style_measures.WORST
    cost = style_measures.cost({measure.signal: felt[:, None]}, DT, name)
    assert cost.shape == (6,)
    assert (cost >= 0.0).all()
    assert (np.diff(cost) >= 0).all() if measure.better == "lower" else (np.diff(cost) < 0).all()


@pytest.mark.parametrize("name", [name for name, m in style_measures.MEASURES.items() if m.signal != "ee_pos"])
def test_a_step_of_the_scale_costs_one(name: str) -> None:
    measure = style_measures.MEASURES[name]
    values = np.array([[0.0], [measure.free], [measure.free + measure.scale], [1e9]])
    cost = style_measures.cost({measure.signal: values}, DT, name)
    expected = [0.0, 0.0, 1.0, style_measures.WORST] if measure.better == "lower" else [1.0, 1.0, np.exp(-1), 0.0]
    assert cost == pytest.approx(expected)


def test_an_episodes_cost_is_of_its_own_steps() -> None:
    """A series has one value a step, and the episode's number comes out of it."""
    rng = np.random.default_rng(0)
    signals = {"ee_pos": rng.normal(size=(30, 3)).cumsum(0), "contact_force": rng.uniform(0, 9, (30, 1))}
    series, summary = style_measures.series(signals, DT), style_measures.summarize(signals, DT)
    assert series.keys() == summary.keys()
    assert all(values.shape == (30,) for values in series.values())
    assert summary["path_length"] == pytest.approx(series["path_length"].sum())
    assert summary["peak_jerk"] == series["peak_jerk"].max()
