"""Style by answers alone, carry_upright: `pytest -m bench -s tests/benchmarks/bench_style.py`.

No term of the task's reward tells how the cup is carried. The demonstrations are 24 of a careless simulated operator
(`careless.py`), who lets the cup lean and cuts the corner around the glass: those that ship are upright already. The
simulated teacher has style costs for the cup's tilt, and for its nearness to the glass; the policy is then judged by
these two style measures over 200 episodes. For style those count whose start both the clone and the fine-tuned
policy succeed from: a cup that was never lifted is upright and far from the glass. All 200 are shown beside.
ROBO_RLHF_BENCH_SEEDS sets the number of seeds (5), ROBO_RLHF_BENCH_FIRST_SEED the first of them (0),
ROBO_RLHF_BENCH_AT_ONCE the jobs that run at a time (2), one torch thread each.
"""

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.cli.table import print_rows
from robo_rlhf.pipeline.steps.evaluation import stored_evaluation
from robo_rlhf.rollouts.evaluation import Evaluation
from tests.benchmarks import careless

pytestmark = pytest.mark.bench
FIRST = int(os.environ.get("ROBO_RLHF_BENCH_FIRST_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ROBO_RLHF_BENCH_SEEDS", "5")))
AT_ONCE = int(os.environ.get("ROBO_RLHF_BENCH_AT_ONCE", "2"))
JOB = ["run", "--task", "carry_upright", "--demos", "24", "--labels", "200", "--rounds", "3", "--json"]
JOB += ["--dataset", careless.NAME, "--preset", "self_imitation"]  # which marks success in the reward
MINDED = ["--set", "teacher.style_costs=tilt,clearance"]
MINDED += [
    "--set",
    "residual_scale=0.4",
    "--set",
    "self_imitation_rounds=0",
]  # room to level the hand; its own tries lean as well
MINDED += [
    "--set",
    "choose_exploration_noise=false",
    "--set",
    "finetune.std=0.05",
]  # bolder than the success would choose
MINDED += ["--set", "finetune.anchor=0.002", "--set", "finetune.actor_lr=0.0005"]  # a style is far from the clone


def job(seed: int, home: Path) -> dict[str, Any]:
    """Do the main job of a seed in a process of its own; return what was before and after."""
    run = f"style-{seed}"
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *JOB, *MINDED, "--seed", str(seed), "--home", str(home)]
    done = subprocess.run([*command, "--run", run], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = (stored_evaluation(home / "runs" / run, name) for name in ("before", "after"))
    row = row_of(seed, before, after)
    print(json.dumps(row), flush=True)
    return row


def row_of(seed: int, before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """Return success [%] and both measures, before and after, and by how much [%] they are better."""
    both = np.array(before.success_end) & np.array(after.success_end)  # (M,)
    row: dict[str, Any] = {
        "seed": seed,
        "cloned [%]": 100 * before.success.value,
        "fine-tuned [%]": 100 * after.success.value,
        "both succeed": int(both.sum()),
    }
    for name, unit, times in (("tilt", "rad", 1), ("clearance", "mm", 1000)):
        old, new = (times * float(np.array(run.style[name])[both].mean()) for run in (before, after))
        row[f"{name} [{unit}]"] = f"{old:.3g} → {new:.3g}"
        row[f"{name}, all"] = " → ".join(f"{times * np.mean(run.style[name]):.3g}" for run in (before, after))
        row[f"better {name} [%]"] = 100 * (1 - new / old if name == "tilt" else new / old - 1)
    return row


def test_style_that_no_reward_term_tells(tmp_path: Path) -> None:
    """Tilt and clearance improve by at least 40 % on average, and success is kept within 2 points."""
    careless.demonstrations(tmp_path)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda seed: job(seed, tmp_path), SEEDS))
    print()
    print_rows(rows, as_json=False, title=f"carry_upright, {len(rows)} seeds, 200 episodes each")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(used.ru_utime + used.ru_stime) / len(rows):.0f} s of the processor a job")
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0] if "[%]" in name}
    print({name: round(value, 1) for name, value in mean.items()})
    assert mean["fine-tuned [%]"] >= mean["cloned [%]"] - 2
    assert mean["better tilt [%]"] >= 40
    assert mean["better clearance [%]"] >= 40
