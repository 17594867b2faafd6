"""Choices among actions against pairs: as many answers of each, and what the policy is worth after them.

`make bench ARGS=tests/benchmarks/actions.py` takes the next missing seed and adds a row to `results/people.jsonl`;
stop it at any instant. ROBO_RLHF_PEOPLE_CELLS takes cells that match a pattern alone, such as "actions/0". A choice
among three rollouts of 1.5 s is taken to cost as much time as one between two clips of 2 s.
"""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from os import environ
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.files import SHIPPED
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.training_tools.settings import BCSettings
from tests.benchmarks.matrix import add_row, stored_rows

pytestmark = pytest.mark.bench
ROWS = Path(__file__).parent / "results" / "people.jsonl"
SEEDS = range(5)
TASK, DEMOS, LABELS, ITERATIONS = "push", 24, 50, 30
ARMS = {"pairs": 0.0, "actions": 0.5, "actions alone": 0.96}  # share of the questions; one of each round is a pair


def config(seed: int, share: float) -> PipelineConfig:
    """Return a short job of two rounds, whose questions are pairs and choices among actions."""
    sizes = {"demos": DEMOS, "labels": LABELS, "rounds": 2, "episodes": 100, "collect": 24, "num_envs": 32}
    whole = preset("default", task=TASK, seed=seed, actions=share, **sizes)
    clone = BCSettings(policy="flow", settings={"noise": 0.0}, updates=1500, obs_noise=0.05)
    finetune = replace(whole.finetune, iterations=ITERATIONS, num_envs=whole.num_envs)
    return replace(whole, clone=clone, finetune=finetune, choose_exploration_noise=True)


def measure(seed: int, home: Path) -> dict[str, Any]:
    """Run all arms; return the success before and after, with intervals."""
    found: dict[str, Any] = {}
    for arm, share in ARMS.items():
        before, after = run_loop(config(seed, share), home / "runs" / f"{arm.replace(' ', '-')}-{seed}", home)
        found["cloned"] = before.summary()["success"]  # the same for all
        found[arm] = after.summary()["success"]
    return found


def test_fill() -> None:
    """Measure the seeds that are missing."""
    use_one_thread()
    pattern = environ.get("ROBO_RLHF_PEOPLE_CELLS", "*")
    there = {(row["arm"], row["seed"]) for row in stored_rows(ROWS)}
    for seed in SEEDS:
        if ("actions", seed) in there or not fnmatch(f"actions/{seed}", pattern):
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "samples").symlink_to(SHIPPED / "samples")
            row = measure(seed, home)
        date = datetime.now(UTC).date().isoformat()
        add_row({"arm": "actions", "seed": seed, "date": date, **row}, ROWS)
        print(row, flush=True)


def test_report() -> None:
    """Whichever way: the mean success of each arm over the seeds."""
    rows = [row for row in stored_rows(ROWS) if row["arm"] == "actions"]
    if not rows:
        pytest.skip("no seed was measured")
    for arm in ("cloned", *ARMS):
        values = [row[arm]["value"] for row in rows]
        print(f"{arm}: {100 * np.mean(values):.1f} % of {len(rows)} seeds, each {values}")
