"""Choosing the execution horizon of a cloned policy: the one of two that succeeds more often in rollouts.

By default a policy that predicts chunks executes the first half of each. Operators hesitate before a fine motion; in a
cloned policy that predicts anew and averages, a hesitation can last for ever. Executing whole chunks gets past it, but
runs open loop for longer. Which is better depends on the task: stacking wants the one, inserting a peg the other.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_meta, save_policy
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate

if TYPE_CHECKING:
    from robo_rlhf.pipeline.steps.job import PipelineJob

EPISODES = 100  # rollouts per execution horizon, on seeds that no result is reported on


def choose_execution_horizon(job: "PipelineJob", policy: TrainedPolicy, name: str = "clone") -> TrainedPolicy:
    """Return a stage's cloned policy with its better execution horizon, also saved; others are returned unchanged."""
    if not isinstance(policy, ChunkedPolicy) or not job.config.choose_execution_horizon or policy.chunk == 1:
        return policy
    usual = job.config.clone.settings.get("execution_horizon", -(-policy.chunk // 2))
    tried = (min(int(usual), policy.chunk), policy.chunk)

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        found = {}
        for execute in tried:
            policy.execution_horizon = execute
            found[execute] = evaluate(job.env, policy, seeds).success.value
        best = max(found, key=lambda execute: found[execute])  # the shorter one on a tie
        policy.execution_horizon = policy.settings["execution_horizon"] = best
        path = job.run.path / name / "checkpoints" / "policy.safetensors"
        save_policy(policy, path, {k: v for k, v in load_meta(path).items() if k != "policy"})
        return {"execute": best, "success": list(found.values()), "tried": list(tried)}

    policy.execution_horizon = policy.settings["execution_horizon"] = int(job.stage(_stage(name), work)["execute"])
    return policy


def success_at_chosen_horizon(job: "PipelineJob", name: str) -> float | None:
    """Return the success rate of a stage's cloned policy at the chosen execution horizon; None if none was chosen."""
    stored = job.run.path / _stage(name) / "result.json"
    return max(read_json(stored, dict)["success"]) if stored.exists() else None


def _stage(name: str) -> str:
    return "pace" if name == "clone" else f"{name}/pace"
