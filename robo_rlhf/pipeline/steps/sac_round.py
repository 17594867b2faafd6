"""The pipeline's rounds with SAC, which trains a policy from scratch, or a correction of the cloned policy.

With demonstrations a share of each batch comes from them. Without any it may explore before the first questions,
without any reward, so that there is something to ask about ("PEBBLE", Lee et al. 2021); those steps stay in the
replay buffer and get the learned reward later.
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

RESIDUAL_STD = 0.3  # initial deviation of a correction, before the tanh


def untrained_policy(job: "PipelineJob") -> TanhGaussianPolicy:
    """Draw the initial policy, saved in the place of a cloned policy, so that later stages find it there."""
    run = job.run.child("clone", {"demonstrations": []})
    path = run.checkpoint_path("policy")
    if run.result() is None:
        with seeded(job.config.seed):
            actor = TanhGaussianPolicy(job.env.obs_dim, job.env.act_dim, **job.config.sac_policy)
        save_policy(actor, path, {"task": job.env.name, "algorithm": "none"})
        run.finish({"updates": 0})
    return initial_policy(job)


def explore(job: "PipelineJob") -> TanhGaussianPolicy:
    """Return the policy that makes the clips of the first round: an untrained one, or one that has explored."""
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
    """Continue training the policy of round `after`, 0 for the initial policy, on the new reward.

    The replay buffer and the value functions are kept: also from rounds that a gate refused, of which only the policy
    is discarded.
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
    """Return the training stage of round `number`; 0: the exploration before the first."""
    return f"round-{number}/finetune" if number else "explore"


def _policy_of_round(job: "PipelineJob", number: int) -> TanhGaussianPolicy:
    """Return the policy that round `number` saved; the initial one for 0."""
    actor = initial_policy(job)
    run = job.run.child(_stage(number), {})
    stored = run.load("training") if number or job.config.explore else None
    if stored is not None:
        with fitting(run.checkpoint_path("training"), f"the policy of round {number}"):
            unpack_module("actor", actor, stored[0])
    return actor


def initial_policy(job: "PipelineJob") -> TanhGaussianPolicy:
    """Return the initial policy: the untrained one, or the cloned policy with a zero correction."""
    policy = job.base_policy()
    if isinstance(policy, TanhGaussianPolicy):
        return policy
    with seeded(job.config.seed):  # hidden weights of the correction are drawn, the same in every session of a run
        return tanh_gaussian_on_top_of(
            policy, scale=job.config.residual_scale, std=RESIDUAL_STD, **job.config.sac_policy
        )
