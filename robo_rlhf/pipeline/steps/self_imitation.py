"""Self-imitation (filtered behaviour cloning): successful rollouts are imitated along with the demonstrations.

Where the cloned policy succeeds now and then, its rollouts need no operator, and the successful ones show what the
demonstrations do not: quick solutions within the horizon, and how to continue where the policy used to hesitate. In
each round it acts with a little noise, so that rollouts differ, and continues training on the successes of all rounds;
where that does not improve it, the previous policy is kept.
The environment decides which rollouts succeed, no annotator.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.context import Context, PipelinePolicy
from robo_rlhf.pipeline.steps.chunk_execution import choose_execution_horizon, success_at_chosen_horizon
from robo_rlhf.pipeline.steps.cloning import load_demonstrations, trimmed
from robo_rlhf.pipeline.steps.finetuning import gaussian_actor
from robo_rlhf.pipeline.steps.success import as_judged, success_share
from robo_rlhf.policies.explore import ExploringPolicy
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import bc

FIRST_SEED = 6_000_000  # first seed of these rollouts: nothing else starts there
EPISODES = 100  # rollouts that evaluate each cloned policy, on seeds that no result is reported on
ENOUGH = 0.95  # success by the answers, from which a policy has no need of it
NOISE = 0.25  # noise of these rollouts, as a share of the deviation of fine-tuning


def self_imitate(context: Context, policy: PipelinePolicy) -> PipelinePolicy:
    """Return the best of `policy` and the policies that also imitate its successes."""
    if not context.config.self_imitation_rounds:
        return policy
    best, found = _success_in_rollouts(context, policy), list[Episode]()
    if policy.success is not None and best >= ENOUGH:
        return policy  # little is left to gain, and much to lose where a success is not quite what people like
    for turn in range(1, context.config.self_imitation_rounds + 1):
        found += _collect_successes(context, policy, turn)
        if not found:
            break  # no success to imitate
        tuned = _imitate(context, policy, found, turn)
        success = _success_in_rollouts(context, tuned)
        if success >= best:
            policy, best = tuned, success
    return policy


def _collect_successes(context: Context, policy: PipelinePolicy, turn: int) -> list[Episode]:
    """Roll out `policy`; return the episodes that end in success, trimmed as demonstrations are."""
    config, dataset = context.config, Dataset(context.run.path / "tries", create=True, task=context.config.task)

    def work(run: Run) -> Mapping[str, Any]:
        first = FIRST_SEED + 100_000 * config.seed + 1000 * turn
        seeds = np.arange(first, first + config.self_imitation_episodes)
        std = NOISE * (config.finetune.std or config.residual_scale / 2)
        actor = ExploringPolicy(gaussian_actor(policy.network, config, std), context.seed(turn))
        episodes = rollout(
            context.env,
            actor,
            seeds,
            meta=lambda seed: {"id": f"t{turn}-{seed}", "device": "policy"},
            record_state=False,
        )
        judged = episodes if policy.success is None else [as_judged(episode, policy.success) for episode in episodes]
        good = [trimmed(episode, config.trim) for episode in judged if episode.meta.outcome == "success"]
        dataset.add_many([episode for episode in good if episode.meta.id not in dataset])
        return {"tries": len(episodes), "successes": [episode.meta.id for episode in good]}

    return list(dataset.load_all(context.stage(f"tries-{turn}/act", work)["successes"]))


def _imitate(context: Context, policy: PipelinePolicy, found: list[Episode], turn: int) -> PipelinePolicy:
    """Train `policy` further on the demonstrations and its successes; return it with its better execution horizon."""
    settings = context.config
    updates = settings.self_imitation_updates or settings.clone.updates
    name, config = f"tries-{turn}", replace(settings.clone, seed=settings.seed + 1000 * turn, updates=updates)
    with context.training(name, {"found": [episode.meta.id for episode in found]}) as run:
        shown, progress = [*load_demonstrations(context), *found], context.observer.progress
        network = bc.train(config, run, shown, start=policy.network, progress=progress)
    return choose_execution_horizon(context, replace(policy, network=network, base=name))


def _success_in_rollouts(context: Context, policy: PipelinePolicy) -> float:
    """Return the success rate of a cloned policy: from the rollouts that chose its execution horizon, if any."""
    known = success_at_chosen_horizon(context, policy.base)
    if known is not None:
        return known

    def work(run: Run) -> Mapping[str, Any]:
        seeds = np.arange(SELECTION_SEED, SELECTION_SEED + EPISODES)
        if policy.success is not None:
            return {"success": success_share(context, policy.success, policy.network, seeds)}
        return {"success": evaluate(context.env, policy.network, seeds).success.value}

    return float(context.stage(f"{policy.base}/judge", work)["success"])
