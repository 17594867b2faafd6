"""The main job by SAC: a policy that begins with nothing, or a correction of a clone, climbs the reward.

With demonstrations a share of each batch comes from them. Without any it may explore before the first questions,
without any reward, so that there is something to ask about ("PEBBLE", Lee et al. 2021); what it saw then is remembered
and gets the learned reward later.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from robo_rlhf.core.learning import seeded, unpack_module
from robo_rlhf.core.runs import fitting
from robo_rlhf.pipeline.steps.gate import Alarm
from robo_rlhf.pipeline.steps.observers import TrueReward
from robo_rlhf.policies.checkpoint import save_policy
from robo_rlhf.policies.tanh_gaussian import SquashedPolicy, squashed_on
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.latest import CautiousReward
from robo_rlhf.rewards.novelty import novelty
from robo_rlhf.training import sac

if TYPE_CHECKING:
    from robo_rlhf.pipeline.steps.job import Job

CORRECTING = 0.3  # deviation of a correction before it is squashed, to start from


def untrained(job: "Job") -> SquashedPolicy:
    """Draw the policy that everything starts from; it stands where a clone would, so that all else finds it there."""
    run = job.run.child("clone", {"demonstrations": []})
    path = run.checkpoint_path("policy")
    if run.result() is None:
        with seeded(job.config.seed):
            actor = SquashedPolicy(job.env.obs_dim, job.env.act_dim, **job.config.untrained)
        save_policy(actor, path, {"task": job.env.name, "algorithm": "none"})
        run.finish({"updates": 0})
    return beginner(job)


def explored(job: "Job") -> SquashedPolicy:
    """Return the policy that clips of the first round are made by: an untrained one, or one that has explored."""
    actor = untrained(job)
    if not job.config.explore:
        return actor
    job.watch.begin("explore")
    run = job.run.child("explore", {})
    config = replace(
        job.config.scratch, iterations=job.config.explore, seed=job.config.seed * 1000, num_envs=job.config.num_envs
    )
    sac.train(config, run, job.env, actor, novelty, progress=job.watch.progress)
    job.watch.end("explore", run.result() or {})
    return actor


def practise(job: "Job", number: int, model: RewardModel, after: int = 0) -> SquashedPolicy:
    """Go on learning from the policy of round `after`, 0 for the beginning, on the new reward.

    All that was seen so far is remembered, and what it taught the value functions: also in rounds that a gate refused,
    whose policies alone are given up.
    """
    before, refused = _stage(number - 1), after < number - 1
    job.watch.begin(f"round-{number}/finetune")
    run = job.run.child(f"round-{number}/finetune", {})
    config = replace(
        job.config.scratch,
        iterations=job.config.iterations_of(number),
        seed=job.config.seed * 1000 + number,
        num_envs=job.config.num_envs,
    )
    truth = (Alarm if job.config.gate else TrueReward)(run, job.env.num_envs)
    actor = sac.train(
        config,
        run,
        job.env,
        _kept(job, after) if refused else beginner(job),
        CautiousReward(model, job.config.caution),
        demonstrations=job.demonstrations(),
        carry=job.run.child(before, {}).load("training") if number > 1 or job.config.explore else None,
        refused=refused,
        progress=job.watch.progress,
        on_iteration=truth.note,
        diagnostics=truth.see,
    )
    job.watch.end(f"round-{number}/finetune", run.result() or {})
    return actor


def _stage(number: int) -> str:
    """Return the stage that round `number` practised in, 0 for what came before the first."""
    return f"round-{number}/finetune" if number else "explore"


def _kept(job: "Job", number: int) -> SquashedPolicy:
    """Return the policy of round `number` as it was left; the one that everything starts from for 0."""
    actor = beginner(job)
    run = job.run.child(_stage(number), {})
    stored = run.load("training") if number or job.config.explore else None
    if stored is not None:
        with fitting(run.checkpoint_path("training"), f"the policy of round {number}"):
            unpack_module("actor", actor, stored[0])
    return actor


def beginner(job: "Job") -> SquashedPolicy:
    """Return the policy that everything starts from: the untrained one, or the clone with a correction that is none."""
    policy = job.base_policy()
    if isinstance(policy, SquashedPolicy):
        return policy
    with seeded(job.config.seed):  # hidden weights of the correction are drawn, the same in every session of a run
        return squashed_on(policy, scale=job.config.residual_scale, std=CORRECTING, **job.config.untrained)
