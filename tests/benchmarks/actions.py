"""Choices among actions against pairs: as many answers of each, and what the policy is worth after them.

A choice among three rollouts of 1.5 s is taken to cost as much time as one between two clips of 2 s.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.training_tools.settings import BCSettings

TASK, DEMOS, LABELS, ITERATIONS = "push", 24, 50, 30
WAYS = {"pairs": 0.0, "actions": 0.5, "actions alone": 0.96}  # share of the questions; one of each round is a pair


def config(seed: int, share: float) -> PipelineConfig:
    """Return a short job of two rounds, whose questions are pairs and choices among actions."""
    sizes = {"demos": DEMOS, "labels": LABELS, "rounds": 2, "episodes": 100, "collect": 24, "num_envs": 32}
    whole = preset("default", task=TASK, seed=seed, actions=share, **sizes)
    clone = BCSettings(policy="flow", settings={"noise": 0.0}, updates=1500, obs_noise=0.05)
    finetune = replace(whole.finetune, iterations=ITERATIONS, num_envs=whole.num_envs)
    return replace(whole, clone=clone, finetune=finetune, choose_exploration_noise=True)


def actions(seed: int, home: Path) -> dict[str, Any]:
    """Run all arms; return the success before and after, with intervals."""
    found: dict[str, Any] = {}
    for arm, share in WAYS.items():
        before, after = run_loop(config(seed, share), home / "runs" / f"{arm.replace(' ', '-')}-{seed}", home)
        found["cloned"] = before.summary()["success"]  # the same for all
        found[arm] = after.summary()["success"]
    return found
