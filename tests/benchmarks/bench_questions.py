"""Query selection: labels that good questions save, and rankings against pairs for equal annotator time.

`pytest -m bench -s tests/benchmarks/bench_questions.py`. Two looks at the same ways of asking:

- What the reward model knows. pick_place's success is saturated (98 % for every way of asking), so reward models are
  judged there: each way chooses its questions among the episodes of one finished main job a seed, round by round, and
  the model that it ends with predicts a noise-free teacher about fresh episodes of that job's last policy.
- What the policy can do, where the clone leaves room: whole main jobs from FEW demonstrations, one a way and seed.

The simulated teacher has its usual faults. Time is not measured but worked out, as SECONDS says: two clips of two
seconds are watched side by side, twice, and to decide takes two seconds more; a ranking of four is two such looks. Who
sorts by comparing needs up to five decisions, so reward models also learn from rankings that take three times a pair.

ROBO_RLHF_BENCH_SEEDS sets the number of seeds (3), ROBO_RLHF_BENCH_FIRST_SEED the first of them (0),
ROBO_RLHF_BENCH_AT_ONCE the jobs that run at a time (2); ROBO_RLHF_BENCH_HOME keeps the runs.
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
SEEDS = range(FIRST, FIRST + int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "3")))
AT_ONCE = int(os.environ.get("ROBO_RLHF_BENCH_AT_ONCE", "2"))
REPOSITORY = Path(__file__).parents[2]
LABELS = 200
LOOK = 2 * 2.0 + 2.0  # [s] that a person takes for two clips
SECONDS = {"pairwise": LOOK, "ranking": 2 * LOOK}  # [s] for one question
RANKINGS = int(LABELS * SECONDS["pairwise"] / SECONDS["ranking"])  # that take as long as LABELS pairs
FEW = 5  # demonstrations, of which a clone leaves room
WAYS: dict[str, dict[str, Any]] = {
    "mixed": {"selection": "mixed", "labels": LABELS},
    "mixed, half the labels": {"selection": "mixed", "labels": LABELS // 2},
    "uniform": {"selection": "uniform", "labels": LABELS},
    "rankings of four, mixed": {"selection": "mixed", "labels": RANKINGS, "question": "ranking"},
}
ONLY_KNOWN = {  # ways that reward models alone are judged by
    "uniform, half the labels": {"selection": "uniform", "labels": LABELS // 2},
    "slow rankings, mixed": {"selection": "mixed", "labels": LABELS // 3, "question": "ranking"},
}
OTHERS = ("recent", "stage", "endings", "disagreement", "information")  # selections that mixed is made of, and one more
for name in OTHERS:
    ONLY_KNOWN[name] = {"selection": name, "labels": LABELS}
    ONLY_KNOWN[f"{name}, half the labels"] = {"selection": name, "labels": LABELS // 2}
KNOWS = """
import json, sys
from pathlib import Path
from robo_rlhf.core.learning import use_one_thread
use_one_thread()
from tests.benchmarks.asking import known
print(json.dumps(known(Path(sys.argv[1]), json.loads(sys.argv[2]))))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with the samples."""
    return with_samples(tmp_path_factory)


def job(home: Path, name: str, seed: int, demos: int, asked: dict[str, Any]) -> dict[str, Any]:
    """Do a main job on pick_place unless it is done, and return its result."""
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "run", "--task", "pick_place", "--demos", str(demos)]
    command += ["--dataset", "samples/pick_place"]
    command += ["--rounds", "3", "--seed", str(seed), "--run", name, "--home", str(home), "--json"]
    command += ["--labels", str(asked["labels"]), "--minutes", "0"]
    for setting in ("selection", "question"):
        command += ["--set", f"{setting}={asked[setting]}"] if setting in asked else []
    return output(command)


def output(command: list[str]) -> dict[str, Any]:
    """Return the JSON object that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return found


def mean(rows: list[dict[str, Any]], way: str, figure: str) -> float:
    """Return the mean of a figure over the seeds of a way."""
    return float(np.mean([row[figure] for row in rows if row["way"] == way]))


def summary(rows: list[dict[str, Any]], figures: list[str]) -> None:
    """Print the means over seeds."""
    labels = {way: asked["labels"] for way, asked in (WAYS | ONLY_KNOWN).items() if any(r["way"] == way for r in rows)}
    means = [{"way": way, "labels": count, **{f: mean(rows, way, f) for f in figures}} for way, count in labels.items()]
    print_rows(means, as_json=False, title=f"means over {len(SEEDS)} seeds")


def test_what_the_reward_model_knows(home: Path) -> None:
    """Half the labels tell as much where questions are mixed; rankings tell more than pairs in the same time."""

    def one(seed: int) -> list[dict[str, Any]]:
        base = f"usual-faults-{seed}"  # as bench_reward_quality names it
        job(home, base, seed, 25, WAYS["mixed"])
        found = output([sys.executable, "-c", KNOWS, str(home / "runs" / base), json.dumps(WAYS | ONLY_KNOWN)])
        return [{"way": way, "seed": seed, **figures} for way, figures in found.items()]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = [row for found in pool.map(one, SEEDS) for row in found]
    print()
    print_rows(rows, as_json=False, title="held-out questions about the newest policy, noise-free answers")
    summary(rows, ["any [%]", "same stage [%]"])
    assert mean(rows, "mixed, half the labels", "any [%]") >= mean(rows, "uniform", "any [%]")
    assert mean(rows, "rankings of four, mixed", "any [%]") > mean(rows, "mixed", "any [%]")


def test_what_the_policy_can_do(home: Path) -> None:
    """The same of the final success of main jobs from few demonstrations."""

    def one(asked: tuple[str, int]) -> dict[str, Any]:
        way, seed = asked
        name = f"few-{way.replace(',', '').replace(' ', '-')}-{seed}"
        found = job(home, name, seed, FEW, WAYS[way])
        shares = {name: 100 * found[name]["success"]["value"] for name in ("before", "after")}
        return {"way": way, "seed": seed, "cloned [%]": shares["before"], "fine-tuned [%]": shares["after"]}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(one, [(way, seed) for seed in SEEDS for way in WAYS]))
    print()
    print_rows(rows, as_json=False, title=f"pick_place, {FEW} demonstrations, 200 episodes each")
    summary(rows, ["cloned [%]", "fine-tuned [%]"])
    assert mean(rows, "mixed, half the labels", "fine-tuned [%]") >= mean(rows, "uniform", "fine-tuned [%]")
    assert mean(rows, "rankings of four, mixed", "fine-tuned [%]") > mean(rows, "mixed", "fine-tuned [%]")
