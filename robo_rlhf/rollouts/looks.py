"""Evaluation of policies with cameras in looks that no training has, and from cameras that stand elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import radians

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.rollouts.evaluation import Evaluation, evaluate
from robo_rlhf.rollouts.kept_evaluation import KeptResults, evaluate_keeping
from robo_rlhf.rollouts.rollout import OnStep
from robo_rlhf.sim.envs.partial_observation import mask_observations
from robo_rlhf.sim.rendering.looks import STILL, UNSEEN, Look, LookBounds

KINDS: Mapping[str, LookBounds] = {
    "unseen looks": LookBounds(),
    "cameras moved by 2 cm and 2 degrees": replace(STILL, position=0.02, angle=radians(2)),
    "cameras moved by 5 cm and 5 degrees": replace(STILL, position=0.05, angle=radians(5)),
}


class _Dressed:
    """A policy that looks at each batch of episodes in the looks that follow those of the batch before."""

    def __init__(self, policy: TrainedPolicy, env: VecEnv, bounds: LookBounds, count: int) -> None:
        self.policy, self.env, self.looks = policy, env, [Look(UNSEEN + i, bounds) for i in range(count)]
        self.begun = 0  # episodes
        self.seed, self.act, self.sight = policy.seed, policy.act, policy.sight

    def reset(self, num_envs: int) -> None:
        numbers = range(self.begun, self.begun + num_envs)
        self.policy.look_at(self.env, [self.looks[i % len(self.looks)] for i in numbers])
        self.begun += num_envs
        self.policy.reset(num_envs)


def evaluate_looks(
    env: VecEnv,
    policy: TrainedPolicy,
    seeds: Array,
    count: int,
    *,
    policy_seed: int = 0,
    mask_delay: int | None = None,
    on_step: OnStep | None = None,
    keeps: Callable[[str], KeptResults] | None = None,
) -> dict[str, Evaluation]:
    """Run a policy once from each of `seeds` (M,) in `count` looks of each kind; afterwards it sees the scene as it is.

    Each episode has one look; episode i the one of number i modulo `count`. `mask_delay` is as in `mask_observations`.
    `keeps` gives for each kind what is kept of it, so that it continues where it was stopped.

    Raises:
        InvalidValueError: the policy has no cameras, or fewer than one look.
    """
    check_looks(policy, count)
    masked, found = mask_observations(env, mask_delay), {}
    for name, bounds in KINDS.items():
        dressed = _Dressed(policy, env, bounds, count)
        if keeps is None:
            found[name] = evaluate(masked, dressed, seeds, policy_seed=policy_seed, on_step=on_step)
        else:
            kept, batches = keeps(name), -(-len(seeds) // env.num_envs)
            dressed.begun = env.num_envs * (batches - len(kept.missing(seeds, env.num_envs)))
            found[name] = evaluate_keeping(masked, dressed, seeds, kept, policy_seed=policy_seed, on_step=on_step)
    policy.look_at(env)
    return found


def check_looks(policy: TrainedPolicy, count: int) -> None:
    """Refuse looks for a policy that sees none; raises as `evaluate_looks`."""
    if count < 1:
        raise InvalidValueError("--looks", count, "at least 1")
    if not policy.cameras:
        raise InvalidValueError("--looks", "a policy without cameras", "one that was trained with --cameras")
