"""A run over Ray on one node against the same run without: `make bench ARGS=tests/benchmarks/bench_cluster.py`.

Both are compared by the time of their work, from the first line of their event log to the result: joining the cluster
and its nodes' imports are no part of it. They alternate, and the ratio of each pair counts.
"""

import json
import statistics
from pathlib import Path

import pytest

from robo_rlhf.core.files import data_home
from tests.executor.starting import RAY, Nodes, begin, finished

pytestmark = [pytest.mark.bench, pytest.mark.skipif(not RAY, reason="$ROBO_RLHF_RAY names no interpreter with ray")]
SLOWER = 1.10  # times as long
PAIRS = 3
RUN = ["--task", "reach", "--preset", "quick", "--labels", "24", "--rounds", "1"]


def seconds(home: Path, *words: str) -> float:
    """Do a run; return how long its work took [s]."""
    said = finished(begin("run", *RUN, "--home", str(home), *words))
    assert said.code == 0, said.err
    events = [json.loads(line) for line in (home / "runs" / words[1] / "events.jsonl").read_text().splitlines()]
    return float(events[-1]["time"] - events[0]["time"])


def test_a_run_over_ray_on_one_node(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(data_home(None) / "samples")
    ratios = []
    with Nodes() as nodes:
        nodes.add()
        for pair in range(PAIRS):
            there = seconds(tmp_path, "--run", f"there-{pair}", "--cluster", nodes.address)
            here = seconds(tmp_path, "--run", f"here-{pair}")
            ratios.append(there / here)
            print(f"{here:.1f} s here, {there:.1f} s over Ray: {ratios[-1]:.2f} times")
    assert statistics.median(ratios) <= SLOWER
