"""Whether a run's success head is honest: `ROBO_RLHF_BENCH_RUN=FOLDER pytest -m bench -s tests/benchmarks/THIS`.

Of a finished run of a native task, each policy that it had acts from three sets of starts: those that choices are made
on, those of the gates, and those that results are reported on. The environment's mark of success, which no run sees, is
printed beside what the head of the first round sees on the same starts, and each round's measured success beside the
truth of the same episodes.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.files import read_json
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.steps.gate import GATE_SEED
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.latest_policy import POLICY
from robo_rlhf.rewards.success import load_success
from robo_rlhf.rollouts.evaluation import FIRST_SEED, SELECTION_SEED
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import make_env

pytestmark = pytest.mark.bench
STARTS = {"choices": SELECTION_SEED, "gates": GATE_SEED, "reported": FIRST_SEED}
EPISODES = 100
HEAD = Path("round-1") / "success" / "checkpoints" / "success.safetensors"


@pytest.fixture(scope="module")
def run() -> Path:
    """The folder of the run."""
    use_one_thread()
    if "ROBO_RLHF_BENCH_RUN" not in os.environ:
        pytest.skip("ROBO_RLHF_BENCH_RUN names no finished run")
    return Path(os.environ["ROBO_RLHF_BENCH_RUN"])


def test_the_head_sees_what_is_true(run: Path) -> None:
    """On the same starts the head's mean is within 5 points of the truth, whatever was chosen on them."""
    head, rows = load_success(run / HEAD), []
    env = make_env(read_json(run / "config.json", dict)["task"], EPISODES)
    tries = [path.name for path in sorted(run.glob("tries-*"))]
    rounds = [f"{path.name}/finetune" for path in sorted(run.glob("round-*"))]
    for stage in ["clone", *tries, *rounds]:
        row: dict[str, object] = {"policy": stage}
        for name, first in STARTS.items():
            seeds = np.arange(first, first + EPISODES)
            episodes = rollout(env, load_policy(run / stage / POLICY), seeds, record_state=False)
            true = float(np.mean([episode.success[-1] for episode in episodes]))
            seen = float(head.chance(np.stack([episode.obs[-1] for episode in episodes]))[0].mean())
            row |= {f"{name}: true [%]": 100 * true, f"{name}: seen [%]": 100 * seen}
            assert seen == pytest.approx(true, abs=0.05)
        rows.append(row)
    print()
    print_rows(rows, as_json=False, title=f"{run.name}, {EPISODES} episodes each")


def test_each_round_measures_what_is_true(run: Path) -> None:
    """The true success of a round's episodes lies within the interval that its answers gave, but for one of twenty."""
    rows, data, missed = [], Dataset(run / "episodes"), 0
    for folder in sorted(run.glob("round-*")):
        found = read_json(folder / "success" / "result.json", dict)["newest"]
        episodes = data.load_all(read_json(folder / "collect" / "result.json", dict)["episodes"])
        true = float(np.mean([episode.success[-1] for episode in episodes]))
        missed += not found["low"] <= true <= found["high"]
        shares = {f"{name} [%]": 100 * found[name] for name in ("seen", "value", "low", "high")}
        rows.append({"round": folder.name, "true [%]": 100 * true, **shares, "answers": found["answers"]})
    print()
    print_rows(rows, as_json=False, title=f"{run.name}, the episodes of each round")
    assert missed <= 1
