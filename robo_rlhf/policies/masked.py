"""Policies as they act in an environment that gives whole observations: masked, and seeing, as they were trained."""

from collections import deque
from pathlib import Path

from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.policies.base import TrainedPolicy
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.sim.envs.partial_observation import ObservationMask
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.vision.observer import Shown


class MaskedPolicy:
    """A `Policy` that gets whole observations and passes masked ones to the wrapped policy, as in its training."""

    def __init__(self, policy: TrainedPolicy, observation_mask: ObservationMask) -> None:
        """Apply `observation_mask` to the observations of `policy`."""
        self.policy, self.observation_mask, self.sight = policy, observation_mask, policy.sight
        self._seen: deque[Array] = deque(maxlen=observation_mask.delay + 1)

    def reset(self, num_envs: int) -> None:
        """Clear the history; episodes start in `num_envs` copies."""
        self._seen.clear()
        self.policy.reset(num_envs)

    def act(self, obs: Array) -> Array:
        """Map whole observations (N, obs_dim) to actions (N, act_dim)."""
        return self.policy.act(self.mask(obs))

    def mask(self, obs: Array) -> Array:
        """Take whole observations (N, obs_dim); return the masked ones."""
        while len(self._seen) < self.observation_mask.delay:
            self._seen.append(obs)  # at the start the first one is used in place of earlier ones
        self._seen.append(obs)
        return self.observation_mask.apply(obs, self._seen[0])

    def look_at(self, env: Shown) -> None:
        """Let a policy with cameras look at `env`."""
        self.policy.look_at(env)

    def seed(self, seed: int) -> None:
        """Set the source of the policy's own randomness."""
        self.policy.seed(seed)


ActingPolicy = TrainedPolicy | MaskedPolicy


def load_for(path: Path, env: VecEnv) -> ActingPolicy:
    """Load a policy to act on the whole observations of `env`, with the observation mask that it was trained with.

    A policy with cameras looks at `env` by itself.

    Raises:
        NotFoundError: there is no such file.
        CorruptFileError: the file is truncated or not a checkpoint.
        CheckpointMismatchError: it is of another task or of other shapes, or holds no policy.
        NotNowError: it has cameras, and nothing of the environment can be drawn.
    """
    policy = load_policy(path, task=env.name, obs_dim=env.obs_dim, act_dim=env.act_dim)
    policy.look_at(env)
    delay = load_meta(path).get("mask_delay")
    return policy if delay is None else MaskedPolicy(policy, ObservationMask(TASKS[env.name].obs_names, delay))
