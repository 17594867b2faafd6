"""Self-imitation (filtered behaviour cloning): successful rollouts are imitated along with the demonstrations.

Where the cloned policy succeeds now and then, its rollouts need no operator, and the successful ones show what the
demonstrations do not: quick solutions within the horizon, and how to continue where the policy used to hesitate. In
each round it acts with a little noise, so that rollouts differ, and continues training on the successes of all rounds;
where that does not improve it, the previous policy is kept.
The environment decides which rollouts succeed, no annotator.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.steps.chunk_execution import choose_execution_horizon, success_at_chosen_horizon
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import bc

if TYPE_CHECKING:
    from robo_rlhf.pipeline.steps.job import PipelineJob
    from robo_rlhf.policies.base import TrainedPolicy

FIRST_SEED = 6_000_000  # first seed of these rollouts: nothing else starts there
EPISODES = 100  # rollouts that evaluate each cloned policy, on seeds that no result is reported on
NOISE = 0.25  # noise of these rollouts, as a share of the deviation of fine-tuning


def self_imitate(job: "PipelineJob", clone: "TrainedPolicy") -> "TrainedPolicy":
    """Return the best of `clone` and the policies that also imitate its successes; `job.base` names its stage."""
    if not job.config.self_imitation_rounds:
        return clone
    best, found = _success_in_rollouts(job, clone, job.base), list[Episode]()
    for turn in range(1, job.config.self_imitation_rounds + 1):
        name = f"tries-{turn}"
        found += _collect_successes(job, clone, turn)
        if not found:
            break  # no success to imitate
        tuned = _imitate(job, name, clone, found, turn)
        success = _success_in_rollouts(job, tuned, name)
        if success >= best:
            clone, best, job.base = tuned, success, name
    return clone


def _collect_successes(job: "PipelineJob", clone: "TrainedPolicy", turn: int) -> list[Episode]:
    """Roll out `clone`; return the episodes that end in success, trimmed as demonstrations are."""
    from robo_rlhf.pipeline.steps.job import as_actor, trimmed

    dataset = Dataset(job.run.path / "tries", create=True, task=job.config.task)
    config = job.config

    def work(run: Run) -> Mapping[str, Any]:
        first = FIRST_SEED + 100_000 * config.seed + 1000 * turn
        seeds = np.arange(first, first + config.self_imitation_episodes)
        quiet = replace(config.finetune, std=NOISE * (config.finetune.std or config.residual_scale / 2))
        actor = ExploringPolicy(as_actor(clone, replace(config, finetune=quiet)), config.seed * 1000 + turn)
        episodes = rollout(
            job.env, actor, seeds, meta=lambda seed: {"id": f"t{turn}-{seed}", "device": "policy"}, record_state=False
        )
        good = [trimmed(episode, config.trim) for episode in episodes if episode.meta.outcome == "success"]
        dataset.add_many([episode for episode in good if episode.meta.id not in dataset])
        return {"tries": len(episodes), "successes": [episode.meta.id for episode in good]}

    return list(dataset.load_all(job.stage(f"tries-{turn}/act", work)["successes"]))


def _imitate(job: "PipelineJob", name: str, clone: "TrainedPolicy", found: list[Episode], turn: int) -> "TrainedPolicy":
    """Train `clone` further on the demonstrations and its successes; return it with its better execution horizon."""
    job.observer.begin(name)
    run = job.run.child(name, {"found": [episode.meta.id for episode in found]})
    config = replace(job.config.clone, seed=job.config.seed + 1000 * turn)
    policy = bc.train(config, run, [*job.demonstrations(), *found], start=clone, progress=job.observer.progress)
    job.observer.end(name, run.result() or {})
    return choose_execution_horizon(job, policy, name)


def _success_in_rollouts(job: "PipelineJob", clone: "TrainedPolicy", name: str) -> float:
    """Return the success rate of a cloned policy: from the rollouts that chose its execution horizon, if any."""
    known = success_at_chosen_horizon(job, name)
    if known is not None:
        return known

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        return {"success": evaluate(job.env, clone, seeds).success.value}

    return float(job.stage(f"{name}/judge", work)["success"])
