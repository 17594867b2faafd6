"""Accuracy of the reward model after 200 answers, and the cost of wrong answers and of a learned reward.

`pytest -m bench -s tests/benchmarks/bench_reward_quality.py`; ROBO_RLHF_BENCH_SEEDS sets the number of seeds (5),
ROBO_RLHF_BENCH_FIRST_SEED the first of them (0), ROBO_RLHF_BENCH_AT_ONCE the jobs that run at a time (2).
ROBO_RLHF_BENCH_HOME keeps the runs, so that what is done is not done again.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from tests.benchmarks.homes import with_samples

pytestmark = pytest.mark.bench
FIRST = int(os.environ.get("ROBO_RLHF_BENCH_FIRST_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "5")))
AT_ONCE = int(os.environ.get("ROBO_RLHF_BENCH_AT_ONCE", "2"))
NOISE_FREE = {"rationality": 1e9, "mistake": 0.0, "equal_threshold": 0.0, "skip_threshold": -1e9}
KINDS_OF_RUN: dict[str, dict[str, object]] = {
    "noise-free": {f"teacher.{name}": value for name, value in NOISE_FREE.items()},
    "a fifth flipped": {f"teacher.{name}": value for name, value in {**NOISE_FREE, "mistake": 0.2}.items()},
    "usual faults": {},
    "true reward": {"finetune.objective": "task + success", "labels": 3},  # nothing is learned from answers there
}
JUDGE = """
import json, sys
from pathlib import Path
from robo_rlhf.core.learning import use_one_thread
use_one_thread()
from tests.benchmarks.held_out import judged
print(json.dumps(judged(Path(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with the samples."""
    return with_samples(tmp_path_factory)


def run_all(home: Path, kind: str, *, judge: bool = False) -> list[dict[str, Any]]:
    """Do the main job once a seed, and return its result, with what its reward model knows where that is asked for."""

    def one(seed: int) -> dict[str, Any]:
        name = f"{kind.replace(' ', '-')}-{seed}"
        command = [sys.executable, "-m", "robo_rlhf.cli.main", "run", "--task", "pick_place", "--demos", "25"]
        command += ["--labels", "200", "--rounds", "3", "--seed", str(seed), "--json", "--home", str(home)]
        command += ["--run", name, "--dataset", "samples/pick_place", "--minutes", "0"]
        for setting, value in KINDS_OF_RUN[kind].items():
            command += ["--set", f"{setting}={value}"]
        found = output(command)
        return {**found, **(output([sys.executable, "-c", JUDGE, str(home / "runs" / name)]) if judge else {})}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, SEEDS))


def output(command: list[str]) -> dict[str, Any]:
    """Return the JSON object that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return found


def success(found: list[dict[str, Any]]) -> list[float]:
    """Return the success of each run [%]."""
    return [100 * run["after"]["success"]["value"] for run in found]


def test_what_200_answers_tell(home: Path) -> None:
    """A noise-free teacher about the newest policy: ≥ 90 % predicted and ECE ≤ 0.05, in the mean over seeds."""
    found = run_all(home, "noise-free", judge=True)
    for pairs in ("any", "same stage"):
        rows = [{"seed": seed, **run[pairs]} for seed, run in zip(SEEDS, found, strict=True)]
        print()
        print_rows(rows, as_json=False, title=f"pairs of the newest policy's clips: {pairs}")
    assert np.mean([run["any"]["accuracy"] for run in found]) >= 0.9
    assert np.mean([run["any"]["ECE"] for run in found]) <= 0.05


def test_a_fifth_of_the_answers_flipped(home: Path) -> None:
    """It costs at most 5 points of final success."""
    right, flipped = (success(run_all(home, kind)) for kind in ("noise-free", "a fifth flipped"))
    print()
    print_rows(
        [
            {"seed": s, "noise-free [%]": a, "a fifth flipped [%]": b}
            for s, a, b in zip(SEEDS, right, flipped, strict=True)
        ],
        as_json=False,
        title="final success, 200 episodes each",
    )
    assert np.mean(flipped) >= np.mean(right) - 5


def test_learned_against_true_reward(home: Path) -> None:
    """The learned reward reaches ≥ 95 % of the success that the task's own reward and success reach, all else alike."""
    learned, true = (success(run_all(home, kind)) for kind in ("usual faults", "true reward"))
    print()
    print_rows(
        [{"seed": s, "learned [%]": a, "true [%]": b} for s, a, b in zip(SEEDS, learned, true, strict=True)],
        as_json=False,
        title="final success, 200 episodes each",
    )
    assert np.mean(learned) >= 0.95 * np.mean(true)
