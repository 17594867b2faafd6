"""Choosing the exploration noise of fine-tuning: the most that leaves the cloned policy most of its success.

Noise that is harmless when lifting a cube keeps a peg out of its hole. If the exploring policy hardly ever succeeds,
annotators see no success to prefer, and fine-tuning unlearns it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate

if TYPE_CHECKING:
    from robo_rlhf.pipeline.steps.job import PipelineJob
    from robo_rlhf.policies.base import TrainedPolicy

EPISODES = 100  # rollouts per deviation, on seeds that no result is reported on
SHARES = (1.0, 0.5, 0.25)  # shares of the configured deviation that are tried
MIN_SUCCESS_SHARE = 0.9  # share of the cloned policy's success that must be left


def choose_exploration_noise(job: "PipelineJob", clone: "TrainedPolicy") -> None:
    """Set the exploration noise of `job` to the largest of three deviations that leaves `clone` most of its success."""
    from robo_rlhf.pipeline.steps.job import as_actor

    asked = job.config.finetune.std
    if not asked or not job.config.choose_exploration_noise:
        return

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        still = evaluate(job.env, clone, seeds).success.value
        found: list[float] = []
        for share in SHARES:
            actor = as_actor(clone, _exploring(job, share * asked))
            found.append(evaluate(job.env, ExploringPolicy(actor, job.config.seed), seeds).success.value)
            if found[-1] >= MIN_SUCCESS_SHARE * still:
                break
        return {"std": SHARES[len(found) - 1] * asked, "still": still, "exploring": found}

    std = float(job.stage("exploration", work)["std"])
    job.config = _exploring(job, std)


def _exploring(job: "PipelineJob", std: float) -> Any:
    return replace(job.config, finetune=replace(job.config.finetune, std=std))
