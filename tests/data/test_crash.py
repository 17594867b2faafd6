import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.data.dataset import Dataset
from tests.data.making import check_equal, episode

ROOT = Path(__file__).parents[2]
BAR = 0.5  # [s] of an open episode that may be lost
STEPS = 25


def kill_some(folder: Path, count: int, seed: int) -> None:
    """Kill `count` recording processes at random instants; check what each left behind."""
    rng = np.random.default_rng(seed)
    victims = [start(folder / f"d{index}", hz) for index, hz in enumerate(rng.uniform(20, 50, size=count))]
    try:
        firsts = [victim.stdout.readline() for victim in victims if victim.stdout]  # all of them record now
        began = time.monotonic()
        for index, delay in enumerate(sorted(rng.uniform(0.0, 1.5, size=count))):
            time.sleep(max(0.0, began + delay - time.monotonic()))
            victims[index].kill()
            killed = time.monotonic()
            lines = [firsts[index], *victims[index].communicate()[0].splitlines()]
            check(folder / f"d{index}", lines, killed)
    finally:
        for victim in victims:
            victim.kill()
            victim.wait()
            if victim.stdout:
                victim.stdout.close()


def start(folder: Path, hz: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.data.victim", str(folder), str(hz), str(STEPS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def check(folder: Path, lines: list[str], killed: float) -> None:
    """Check that closed episodes are whole and that at most BAR seconds of the open one are lost."""
    said = [line.split() for line in lines]
    closed = [int(number) for what, number, _, _ in said if what == "closed"]
    dataset = Dataset(folder)
    for number in closed:
        loaded = dataset.load(f"e{number:04}")
        check_equal(loaded, episode(steps=STEPS, seed=number))
        assert loaded.meta.outcome == "success"
    now_open = len(closed)
    safe = [int(t) for _, number, t, at in said if int(number) == now_open and float(at) < killed - BAR]
    open_id = f"e{now_open:04}"
    if safe:
        assert open_id in dataset
    if open_id in dataset:
        loaded = dataset.load(open_id)
        check_equal(loaded, episode(steps=STEPS, seed=now_open), len(loaded))
        assert len(loaded) >= max(safe, default=1)
        assert "recovered" in loaded.meta.tags or len(loaded) == STEPS  # it may have been closed and not said so
    assert len(dataset) <= len(closed) + 1
    assert not list((folder / "journal").iterdir())
    assert not (folder / "quarantine").exists()


def test_kill_9_loses_no_closed_episode_and_half_a_second_at_most_of_the_open_one(tmp_path: Path) -> None:
    kill_some(tmp_path, 10, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_kill_9_a_hundred_times(tmp_path: Path, seed: int) -> None:
    kill_some(tmp_path, 10, seed)
