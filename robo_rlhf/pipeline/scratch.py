"""The main job without demonstrations: a policy that begins with nothing and learns the reward's climb by SAC."""

from dataclasses import replace
from typing import TYPE_CHECKING

from robo_rlhf.learning import seeded
from robo_rlhf.pipeline.gate import Alarm
from robo_rlhf.pipeline.watch import TrueReward
from robo_rlhf.policies.checkpoint import load_policy, save_policy
from robo_rlhf.policies.squashed import SquashedPolicy
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.source import CautiousReward
from robo_rlhf.training import sac

if TYPE_CHECKING:
    from robo_rlhf.pipeline.stages import Job


def untrained(job: "Job") -> SquashedPolicy:
    """Draw the policy that everything starts from; it stands where a clone would, so that all else finds it there."""
    run = job.run.child("clone", {"demonstrations": []})
    path = run.checkpoint_path("policy")
    if run.result() is None:
        with seeded(job.config.seed):
            actor = SquashedPolicy(job.env.obs_dim, job.env.act_dim, **job.config.untrained)
        save_policy(actor, path, {"task": job.env.name, "algorithm": "none"})
        run.finish({"updates": 0})
    return _loaded(job)


def practise(job: "Job", number: int, model: RewardModel, after: int = 0) -> SquashedPolicy:
    """Go on learning from round `after`, 0 for the beginning, with all that was seen since, on the new reward."""
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
        _loaded(job),
        CautiousReward(model, job.config.caution),
        carry=job.run.child(f"round-{after}/finetune", {}).load("training") if after else None,
        progress=job.watch.progress,
        on_iteration=truth.note,
        diagnostics=truth.see,
    )
    job.watch.end(f"round-{number}/finetune", run.result() or {})
    return actor


def _loaded(job: "Job") -> SquashedPolicy:
    actor = load_policy(job.run.path / "clone" / "checkpoints" / "policy.safetensors")
    assert isinstance(actor, SquashedPolicy)
    return actor
