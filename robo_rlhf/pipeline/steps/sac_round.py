"""The main job by SAC: a policy that begins with nothing, or a correction of a clone, climbs the reward.

With demonstrations a share of each batch comes from them. Without any it may explore before the first questions,
without any reward, so that there is something to ask about ("PEBBLE", Lee et al. 2021); what it saw then is remembered
and gets the learned reward later.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from robo_rlhf.core.learning import seeded, unpack_module
from robo_rlhf.core.runs import fitting
from robo_rlhf.pipeline.steps.gate import OveroptimizationAlarm
from robo_rlhf.pipeline.steps.observers import TrueRewardLog
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy, tanh_gaussian_on_top_of
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.novelty import novelty
from robo_rlhf.training import sac

if TYPE_CHECKING:
    from robo_rlhf.pipeline.steps.job import PipelineJob

RESIDUAL_STD = 0.3  # deviation of a correction before it is squashed, to start from


def untrained_policy(job: "PipelineJob") -> TanhGaussianPolicy:
    """Draw the policy that everything starts from; it stands where a clone would, so that all else finds it there."""
    run = job.run.child("clone", {"demonstrations": []})
    path = run.checkpoint_path("policy")
    if run.result() is None:
        with seeded(job.config.seed):
            actor = TanhGaussianPolicy(job.env.obs_dim, job.env.act_dim, **job.config.sac_policy)
        save_policy(actor, path, {"task": job.env.name, "algorithm": "none"})
        run.finish({"updates": 0})
    return initial_policy(job)


def explore(job: "PipelineJob") -> TanhGaussianPolicy:
    """Return the policy that clips of the first round are made by: an untrained one, or one that has explored."""
    actor = untrained_policy(job)
    if not job.config.explore:
        return actor
    job.observer.begin("explore")
    run = job.run.child("explore", {})
    config = replace(
        job.config.sac, iterations=job.config.explore, seed=job.config.seed * 1000, num_envs=job.config.num_envs
    )
    sac.train(config, run, job.env, actor, novelty, progress=job.observer.progress)
    job.observer.end("explore", run.result() or {})
    return actor


def train_sac_round(job: "PipelineJob", number: int, model: RewardModel, after: int = 0) -> TanhGaussianPolicy:
    """Go on learning from the policy of round `after`, 0 for the beginning, on the new reward.

    All that was seen so far is remembered, and what it taught the value functions: also in rounds that a gate refused,
    whose policies alone are given up.
    """
    before, refused = _stage(number - 1), after < number - 1
    job.observer.begin(f"round-{number}/finetune")
    run = job.run.child(f"round-{number}/finetune", {})
    config = replace(
        job.config.sac,
        iterations=job.config.iterations_of(number),
        seed=job.config.seed * 1000 + number,
        num_envs=job.config.num_envs,
    )
    truth = (OveroptimizationAlarm if job.config.gate else TrueRewardLog)(run, job.env.num_envs)
    actor = sac.train(
        config,
        run,
        job.env,
        _policy_of_round(job, after) if refused else initial_policy(job),
        PenalizedReward(model, job.config.uncertainty_penalty),
        demonstrations=job.demonstrations(),
        carry=job.run.child(before, {}).load("training") if number > 1 or job.config.explore else None,
        refused=refused,
        progress=job.observer.progress,
        on_iteration=truth.log,
        diagnostics=truth.observe,
    )
    job.observer.end(f"round-{number}/finetune", run.result() or {})
    return actor


def _stage(number: int) -> str:
    """Return the stage that round `number` practised in, 0 for what came before the first."""
    return f"round-{number}/finetune" if number else "explore"


def _policy_of_round(job: "PipelineJob", number: int) -> TanhGaussianPolicy:
    """Return the policy of round `number` as it was left; the one that everything starts from for 0."""
    actor = initial_policy(job)
    run = job.run.child(_stage(number), {})
    stored = run.load("training") if number or job.config.explore else None
    if stored is not None:
        with fitting(run.checkpoint_path("training"), f"the policy of round {number}"):
            unpack_module("actor", actor, stored[0])
    return actor


def initial_policy(job: "PipelineJob") -> TanhGaussianPolicy:
    """Return the policy that everything starts from: the untrained one, or the clone with a correction that is none."""
    policy = job.base_policy()
    if isinstance(policy, TanhGaussianPolicy):
        return policy
    with seeded(job.config.seed):  # hidden weights of the correction are drawn, the same in every session of a run
        return tanh_gaussian_on_top_of(
            policy, scale=job.config.residual_scale, std=RESIDUAL_STD, **job.config.sac_policy
        )
