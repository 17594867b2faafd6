"""What work costs, by a clock that always goes on by as much."""

import itertools
from dataclasses import asdict
from pathlib import Path

import pytest

from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.pipeline.recipe.speed import Speed, measure
from robo_rlhf.pipeline.steps.cloning import load_demonstrations
from tests.pipeline.making import fresh_home, opened, short_config


@pytest.mark.parametrize(
    ("tick", "found"),
    [
        (0.5, Speed(step=0.5 / 12 / 8, update=0.5 / 20, iteration=0.5, horizon=60)),
        (100.0, Speed(step=100 / 8, update=100 / 20, iteration=6000.0, horizon=60)),  # too long to be tried
    ],
)
def test_each_kind_of_work_is_timed(tick: float, found: Speed, reach_home: Path, tmp_path: Path) -> None:
    use_one_thread()
    ticks = itertools.count(0.0, tick)
    with opened(short_config(), fresh_home(reach_home, tmp_path / "home")) as context:
        measured = measure(context.config, context.env, load_demonstrations(context), lambda: next(ticks))
    assert asdict(measured) == pytest.approx(asdict(found))
