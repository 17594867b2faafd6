"""Choosing the exploration noise of fine-tuning: the most that leaves the cloned policy most of its success.

Noise that is harmless when lifting a cube keeps a peg out of its hole. If the exploring policy hardly ever succeeds,
annotators see no success to prefer, and fine-tuning unlearns it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.finetuning import gaussian_actor
from robo_rlhf.pipeline.steps.success import success_share, waits_for_answers
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED

EPISODES = 100  # rollouts per deviation, on seeds that no result is reported on
SHARES = (1.0, 0.5, 0.25)  # shares of the configured deviation that are tried
MIN_SUCCESS_SHARE = 0.9  # share of the cloned policy's success that must be left


def choose_exploration_noise(context: Context, policy: PipelinePolicy) -> PipelinePolicy:
    """Return `policy` with the largest of three deviations that leaves it most of its success."""
    config, head = context.config, policy.success
    if not config.finetune.std or not config.choose_exploration_noise or config.learner != "ppo":
        return policy
    if waits_for_answers(context, policy):
        return policy

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        still = success_share(context, head, policy.network, seeds)
        found: list[float] = []
        for share in SHARES:
            actor = ExploringPolicy(gaussian_actor(policy.network, config, share * config.finetune.std), config.seed)
            found.append(success_share(context, head, actor, seeds))
            if found[-1] >= MIN_SUCCESS_SHARE * still:
                break
        return {"std": SHARES[len(found) - 1] * config.finetune.std, "still": still, "exploring": found}

    return replace(policy, std=float(context.stage("exploration", work)["std"]))
