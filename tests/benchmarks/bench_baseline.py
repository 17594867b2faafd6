"""The default recipe against learning without demonstrations: `pytest -m bench -s tests/benchmarks/bench_baseline.py`.

The other side is as PEBBLE (Lee et al. 2021): a policy that starts from nothing, explores without any reward first, is
asked about where its reward models disagree most, in more and smaller rounds, and learns by SAC with all that it
remembers relabelled. Both sides get the same number of answers of the same simulated teacher and the same number of
environment steps; the table says what processor time each took.
ROBO_RLHF_BENCH_TASKS names the tasks (all), ROBO_RLHF_BENCH_SEEDS the number of seeds (1), ROBO_RLHF_BENCH_AT_ONCE the
jobs that run at a time (2), one torch thread each. ROBO_RLHF_BENCH_SHARE gives both sides that share of the environment
steps (1), and as many answers as ever; ROBO_RLHF_BENCH_HOME keeps the runs, so that what is done is not done again.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.sim.tasks import TASKS as ALL
from tests.benchmarks.homes import with_samples

pytestmark = pytest.mark.bench
TASKS = os.environ.get("ROBO_RLHF_BENCH_TASKS", ",".join(ALL)).split(",")
SHARE = float(os.environ.get("ROBO_RLHF_BENCH_SHARE", "1"))
SEEDS = int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "1"))
AT_ONCE = int(os.environ.get("ROBO_RLHF_BENCH_AT_ONCE", "2"))
LABELS = 200
ROUNDS = {"recipe": 3, "baseline": 10}
COPIES = {"recipe": 64, "baseline": 16}
COLLECTED = {"recipe": 64, "baseline": 19}  # episodes a round that clips are cut from
ASKED = {"recipe": ["--demos", "24", "--minutes", "0"], "baseline": ["--demos", "0", "--preset", "no_demonstrations"]}
ITERATIONS = {"recipe": {"finetune.iterations": 100}, "baseline": {"explore": 20, "sac.iterations": 380}}
PRESETS = {
    "peg_insert": ["--preset", "self_imitation", "--set", "self_imitation_rounds=0"]
}  # tries of its own would be further steps
TIMED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True, check=False)
sys.stderr.write(done.stderr[-2000:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
if not done.returncode:
    print(json.dumps({**json.loads(done.stdout[done.stdout.index("{"):]), "cpu": used.ru_utime + used.ru_stime}))
sys.exit(done.returncode)
"""


def job(side: str, task: str, seed: int, home: Path) -> dict[str, Any]:
    """Do the main job of one side in a process of its own; return a row of the table."""
    name = f"{side}-{task}-{seed}"
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "run", "--task", task, "--labels", str(LABELS), "--json"]
    command += ["--rounds", str(ROUNDS[side]), "--seed", str(seed), "--run", name, "--home", str(home)]
    command += ["--dataset", f"samples/{task}", *ASKED[side]] + (PRESETS.get(task, []) if side == "recipe" else [])
    for setting, count in ITERATIONS[side].items():
        command += ["--set", f"{setting}={round(SHARE * count)}"]
    done = subprocess.run([sys.executable, "-c", TIMED, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    row = {
        "task": task,
        "seed": seed,
        "side": side,
        "start [%]": 100 * found["before"]["success"]["value"],
        "success [%]": 100 * found["after"]["success"]["value"],
        "at any time [%]": 100 * found["after"]["success_at_any_time"]["value"],
        "return": found["after"]["return"]["value"],
        "episodes": episodes_of(side, home / "runs" / name),
        "processor [s]": found["cpu"],
    }
    print(json.dumps(row), flush=True)
    return row


def episodes_of(side: str, run: Path) -> int:
    """Return how many episodes learning took, those that clips are cut from among them."""
    rows = [path.read_text().count("\n") for path in [*run.glob("round-*/finetune/metrics.jsonl")]]
    explored = run / "explore" / "metrics.jsonl"
    rows += [explored.read_text().count("\n")] if explored.exists() else []
    return COPIES[side] * sum(rows) + COLLECTED[side] * ROUNDS[side]


def test_the_recipe_beats_the_baseline_on_every_task(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With the same answers and environment steps its mean success is higher on every task."""
    home = with_samples(tmp_path_factory)
    asked = [(side, task, seed) for task in TASKS for seed in range(SEEDS) for side in ("recipe", "baseline")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda what: job(*what, home), asked))
    print()
    print_rows(rows, as_json=False, title=f"{LABELS} answers, {SEEDS} seeds, 200 episodes each")
    for task in TASKS:
        mean = {
            side: sum(r["success [%]"] for r in rows if (r["task"], r["side"]) == (task, side)) / SEEDS
            for side in ("recipe", "baseline")
        }
        print(task, mean)
        assert mean["recipe"] > mean["baseline"]
    counts = [row["episodes"] for row in rows]
    assert max(counts) - min(counts) <= 0.02 * max(counts)
