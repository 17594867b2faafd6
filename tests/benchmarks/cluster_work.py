"""The work of a run that a cluster does, there and here by turns, in seconds of the processor: for `bench_cluster.py`.

usage: ADDRESS of a cluster with one node on this machine. Prints a JSON list of [here, there] of each pair.
"""

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from robo_rlhf.core.learning import seeded, use_one_thread
from robo_rlhf.executor.cluster import alone, member
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training_tools.experience import collect

PAIRS = 6
TICKS = 100  # a second, of /proc


def workers() -> float:
    """Return what Ray's workers on this machine have computed [s]."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith((b"ray::call", b"ray::IDLE")):
                found += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue  # it has ended
    return found / TICKS


def main() -> None:
    """Measure."""
    use_one_thread()
    env = make_env("pick_place", 64)
    with seeded(0):
        policy = GaussianPolicy(env.obs_dim, env.act_dim)
    pairs = []
    with member(sys.argv[1]):
        for pair in range(PAIRS + 1):
            spent = []
            for where in (alone, nullcontext):
                begun = time.process_time() + workers()
                with where():
                    collect(env, policy, policy.draw, np.random.default_rng(pair), "", lambda t, step: None)
                    evaluate(env, policy, np.arange(64))
                spent.append(time.process_time() + workers() - begun)
            pairs.append(spent)
            print(spent, file=sys.stderr, flush=True)
    print(json.dumps(pairs[1:]))  # in the first one the node compiled the scene


if __name__ == "__main__":
    main()
