"""A run over Ray on one node against the same run without: `make bench ARGS=tests/benchmarks/bench_cluster.py`.

All that a run does there is batches of episodes: the experience of an iteration, and evaluations. These are compared,
by seconds of the processor of both sides, start excluded; learning is done by the same process with and without.
"""

import json
import statistics

import pytest

from tests.executor.starting import RAY, Nodes, finished, start

pytestmark = [pytest.mark.bench, pytest.mark.skipif(not RAY, reason="$ROBO_RLHF_RAY names no interpreter with ray")]
SLOWER = 1.10  # times as long


def test_the_work_of_a_run_over_ray_on_one_node() -> None:
    with Nodes() as nodes:
        nodes.add()
        said = finished(start("-m", "tests.benchmarks.cluster_work", nodes.address))
    assert said.code == 0, said.err
    ratios = [there / here for here, there in json.loads(said.out)]
    print(f"over Ray {statistics.median(ratios):.3f} times as long ({min(ratios):.3f} to {max(ratios):.3f})")
    assert statistics.median(ratios) <= SLOWER
