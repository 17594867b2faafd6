"""The prediction of what a run takes: computed from what is measured, as wide as that is unsure."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.pipeline.prediction.earlier import shipped_runs
from robo_rlhf.pipeline.prediction.model import CurvePoint, Draws, EarlierRun, draw, interval

CURVE = [CurvePoint(6, 12, 64), CurvePoint(12, 24, 64), CurvePoint(24, 40, 64)]
RUN = EarlierRun("lift", 24, 200, 15, 0.8, 0.95, 200, trial=0.6, trial_episodes=64, spent=6.0, source="a run")


def drawn(curve: list[CurvePoint] = CURVE, runs: int = 3, run: EarlierRun = RUN) -> Draws:
    return draw(curve, [run] * runs, "lift")


def width(draws: Draws) -> float:
    found = interval(draws.success(24, 200))
    return found.high - found.low


def test_intervals_are_computed_from_what_was_measured() -> None:
    better = [CurvePoint(n, 64 - (64 - s) // 4, m) for n, s, m in CURVE]
    assert interval(drawn(better).success(24, 0)).value > interval(drawn().success(24, 0)).value + 0.05
    assert interval(drawn(better).answers(0.95)).high < interval(drawn().answers(0.95)).high
    assert width(drawn(runs=40)) < width(drawn(runs=0)), "what is known of more runs is surer"
    useless = replace(RUN, final=0.8)
    assert interval(drawn(run=useless, runs=40).answers(0.95)).high == float("inf")
    assert interval(drawn(run=replace(RUN, spent=12.0)).spent).value > 1.5 * interval(drawn().spent).value


def test_more_is_needed_for_more() -> None:
    draws = drawn()
    answers, demos = (
        [interval(one(target)) for target in (0.85, 0.9, 0.97)] for one in (draws.answers, draws.demonstrations)
    )
    for found in (answers, demos):
        assert found[0].value <= found[1].value < found[2].value
        assert all(one.low <= one.value <= one.high for one in found)
    assert interval(draws.success(48, 0)).value > interval(draws.success(24, 0)).value
    shares = draws.success(24, 100)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert len(np.unique(shares)) > 20


def test_a_run_of_the_same_task_counts_for_more() -> None:
    other = replace(RUN, task="stack", final=0.8)
    same, different = (draw(CURVE, [RUN, other, other], task) for task in ("lift", "reach"))
    assert np.median(same.gain) > np.median(different.gain)


def test_a_run_that_hardly_failed_says_little_of_what_answers_gain() -> None:
    saturated = replace(RUN, cloned=0.995, final=0.995)
    assert np.median(draw(CURVE, [RUN] + [saturated] * 5, "lift").gain) > 0.8


def test_the_table_that_ships_says_where_each_run_is_from() -> None:
    runs = shipped_runs()
    assert len(runs) >= 10
    assert all(run.source and 0 <= run.cloned <= 1 and run.episodes > 0 for run in runs)


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_seeds_draw_the_same(seed: int) -> None:
    one, other = (draw(CURVE, [RUN], "lift", seed).cloned for _ in range(2))
    assert np.array_equal(one, other)
