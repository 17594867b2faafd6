"""A sweep against the same runs one after the other: `make bench ARGS=tests/benchmarks/bench_sweep.py`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robo_rlhf.core.files import data_home

pytestmark = pytest.mark.bench
GAIN = 1.7  # times as fast on two cores
SEEDS = 6
SHARED = ["--task", "reach", "--preset", "quick", "--labels", "24", "--rounds", "1", "--minutes", "0"]


def _timed(*words: str, home: Path) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *words, *SHARED, "--home", str(home)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a sweep has nothing to gain on one core")
def test_a_sweep_of_six_runs_on_two_cores(tmp_path: Path) -> None:
    samples = data_home(None) / "samples"
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "samples").symlink_to(samples)
    alone = sum(
        _timed("run", "--seed", str(seed), "--run", f"s-{seed + 1}", home=tmp_path / "alone") for seed in range(SEEDS)
    )
    together = _timed("sweep", "--seeds", str(SEEDS), "--jobs", "2", "--run", "s", home=tmp_path / "together")
    for number in range(1, SEEDS + 1):
        results = [
            (tmp_path / name / "runs" / f"s-{number}" / "after/result.json").read_bytes()
            for name in ("alone", "together")
        ]
        assert results[0] == results[1]
    print(f"6 runs: {alone:.0f} s one after the other, {together:.0f} s as a sweep: {alone / together:.2f} times")
    assert alone / together >= GAIN
