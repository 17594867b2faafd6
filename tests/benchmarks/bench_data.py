"""Speed of the record: `pytest -m bench -s tests/benchmarks/bench_data.py`.

The bars are met with room on an idle machine; what else keeps the disk busy shows in all that waits for it.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import Dataset
from tests.data.making import append, begin, meta

pytestmark = pytest.mark.bench
STEPS, OBS, ACTIONS, STATE = 120, 30, 5, 80  # of a table-top task
COUNT = 200  # episodes in the dataset
DEMONSTRATIONS = 70  # of the samples that training arrays are made of
PACED = 300  # steps of the episode that is recorded at 100 Hz


def smooth(rng: np.random.Generator, steps: int, width: int) -> Array:
    """Return (steps, width) values that wander like those of a robot; a fifth of the columns rest."""
    walk = np.cumsum(rng.normal(scale=0.01, size=(steps, width)), axis=0)
    walk[:, : width // 5] = 0.0
    return walk


def robot_episode(number: int, steps: int = STEPS) -> Episode:
    rng = np.random.default_rng(number)
    return Episode(
        obs=smooth(rng, steps + 1, OBS).astype(np.float32),
        action=np.tanh(smooth(rng, steps, ACTIONS)).astype(np.float32),
        state=smooth(rng, steps + 1, STATE),
        reward=rng.uniform(size=steps).astype(np.float32),
        success=np.arange(steps + 1) > 0.9 * steps,
        source=np.zeros(steps, dtype=np.uint8),
        signals={
            "ee_pos": smooth(rng, steps, 3).astype(np.float32),
            "contact_force": np.zeros((steps, 1), dtype=np.float32),
        },
        meta=meta(f"e{number:04}"),
    )


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_speed_of_the_record(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "ds", create=True)
    episodes = [robot_episode(number) for number in range(COUNT + 20)]
    adding = seconds(lambda: dataset.add_many(episodes[:COUNT]))
    one_by_one = seconds(lambda: [dataset.add(episode) for episode in episodes[COUNT:]]) / 20
    listing = seconds(dataset.list)
    listing_again = min(seconds(dataset.list) for _ in range(5))
    loading = seconds(lambda: list(dataset.load_all()))
    arrays = min(seconds(lambda: dataset.arrays(dataset.ids()[:DEMONSTRATIONS])) for _ in range(3))

    paced, closing = [], []
    for number in range(5):
        like = robot_episode(number + COUNT + 100, PACED)
        writer = begin(dataset, like)
        if number == 0:
            for t in range(PACED):
                paced.append(seconds(lambda t=t: append(writer, like, t, t + 1)))  # type: ignore[misc] # noqa: B023
                time.sleep(0.01)
        else:
            append(writer, like)
        closing.append(seconds(lambda: writer.close("success")))  # noqa: B023
    size = float(np.mean([info.size for info in dataset.list()[:COUNT]]))

    figures = [
        ("append, p50 [µs]", 1e6 * float(np.median(paced)), "-"),
        ("append, p99 [µs]", 1e6 * float(np.quantile(paced, 0.99)), "< 1000"),
        ("close 300 steps, median [ms]", 1e3 * float(np.median(closing)), "< 50"),
        ("add_many [episodes/s]", COUNT / adding, ">= 200"),
        ("add, one by one [episodes/s]", 1 / one_by_one, "-"),
        ("load, every byte checked [episodes/s]", COUNT / loading, "-"),
        ("training arrays of 70 episodes [ms]", 1e3 * arrays, "< 300"),
        (f"list {COUNT} episodes, first time [ms]", 1e3 * listing, "-"),
        (f"list {COUNT} episodes again [ms]", 1e3 * listing_again, "-"),
        (f"file of {STEPS} steps [kB]", size / 1e3, "-"),
    ]
    rows = [{"what": what, "figure": figure, "bar": bar} for what, figure, bar in figures]
    print_rows(rows, as_json=False, title="the record")
    assert np.quantile(paced, 0.99) < 1e-3
    assert np.median(closing) < 0.05
    assert adding / COUNT < 1 / 200
    assert arrays < 0.3
