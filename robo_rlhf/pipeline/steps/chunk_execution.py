"""Choosing the execution horizon of a cloned policy: the one of two that succeeds more often in rollouts.

By default a policy that predicts chunks executes the first half of each. Operators hesitate before a fine motion; in a
cloned policy that predicts anew and averages, a hesitation can last for ever. Executing whole chunks gets past it, but
runs open loop for longer. Which is better depends on the task: stacking wants the one, inserting a peg the other.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.success import success_share, waits_for_answers
from robo_rlhf.policies.checkpoint import load_meta, save_policy
from robo_rlhf.policies.chunked import ChunkedPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED

EPISODES = 100  # rollouts per execution horizon, on seeds that no result is reported on


def choose_execution_horizon(context: Context, policy: PipelinePolicy) -> PipelinePolicy:
    """Return a cloned policy with its better execution horizon, also saved; others are returned unchanged."""
    network, stage = policy.network, policy.base
    if not isinstance(network, ChunkedPolicy) or not context.config.choose_execution_horizon or network.chunk == 1:
        return policy
    if waits_for_answers(context, policy):
        return policy
    usual = context.config.clone.settings.get("execution_horizon", -(-network.chunk // 2))
    tried = (min(int(usual), network.chunk), network.chunk)

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        found = {}
        for execute in tried:
            network.execution_horizon = execute
            found[execute] = success_share(context, policy.success, network, seeds)
        best = max(found, key=lambda execute: found[execute])  # the shorter one on a tie
        network.execution_horizon = network.settings["execution_horizon"] = best
        path = context.run.path / stage / "checkpoints" / "policy.safetensors"
        save_policy(network, path, {k: v for k, v in load_meta(path).items() if k != "policy"})
        return {"execute": best, "success": list(found.values()), "tried": list(tried)}

    chosen = int(context.stage(_stage(stage), work)["execute"])
    network.execution_horizon = network.settings["execution_horizon"] = chosen
    return policy


def success_at_chosen_horizon(context: Context, stage: str) -> float | None:
    """Return the success rate of a stage's cloned policy at the chosen execution horizon; None if none was chosen."""
    stored = context.run.path / _stage(stage) / "result.json"
    return max(read_json(stored, list, entry="success")) if stored.exists() else None


def _stage(stage: str) -> str:
    return "pace" if stage == "clone" else f"{stage}/pace"
