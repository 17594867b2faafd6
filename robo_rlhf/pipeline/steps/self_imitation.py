"""A clone's own tries: what it did itself that ended in success is imitated beside the demonstrations.

Where a clone succeeds now and then, steps of its own cost nothing, and those of its episodes that succeed show what
the demonstrations do not: quick ways within the horizon, and how it goes on where it used to hesitate. In each turn it
acts with a little noise, so that tries differ; it goes on to imitate the successes of all turns, and is kept as it was
where that did not make it better.
Which tries succeed is what the environment says, and no person.
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

FIRST_SEED = 6_000_000  # of the tries: nothing else begins there
EPISODES = 100  # that each clone is judged by, on seeds that no result is reported on
NOISE = 0.25  # share of the deviation of fine-tuning that tries differ by


def self_imitate(job: "PipelineJob", clone: "TrainedPolicy") -> "TrainedPolicy":
    """Return the best of `clone` and those that imitate its own successes too; `job.base` names its stage."""
    if not job.config.self_imitation_rounds:
        return clone
    best, found = _success_in_rollouts(job, clone, job.base), list[Episode]()
    for turn in range(1, job.config.self_imitation_rounds + 1):
        name = f"tries-{turn}"
        found += _collect_successes(job, clone, turn)
        if not found:
            break  # there is nothing that it could learn from
        tuned = _imitate(job, name, clone, found, turn)
        success = _success_in_rollouts(job, tuned, name)
        if success >= best:
            clone, best, job.base = tuned, success, name
    return clone


def _collect_successes(job: "PipelineJob", clone: "TrainedPolicy", turn: int) -> list[Episode]:
    """Let `clone` try; return what succeeded at the end, cut off as demonstrations are."""
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
    """Go on from `clone`, imitating the demonstrations and what was found; return it at its better pace."""
    job.observer.begin(name)
    run = job.run.child(name, {"found": [episode.meta.id for episode in found]})
    config = replace(job.config.clone, seed=job.config.seed + 1000 * turn)
    policy = bc.train(config, run, [*job.demonstrations(), *found], start=clone, progress=job.observer.progress)
    job.observer.end(name, run.result() or {})
    return choose_execution_horizon(job, policy, name)


def _success_in_rollouts(job: "PipelineJob", clone: "TrainedPolicy", name: str) -> float:
    """Return the success of a clone in rollouts: those that chose its pace, where they did."""
    known = success_at_chosen_horizon(job, name)
    if known is not None:
        return known

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        return {"success": evaluate(job.env, clone, seeds).success.value}

    return float(job.stage(f"{name}/judge", work)["success"])
