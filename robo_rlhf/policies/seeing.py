"""Policies that see, at work: what an environment shows is drawn for them when they look."""

from robo_rlhf.core.types import Array, Observation
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.vision.observer import CameraObserver, Shown


class SeeingPolicy:
    """A `Policy` that gets the columns of an environment, and looks at its pictures by itself."""

    def __init__(self, policy: VisualPolicy, env: Shown) -> None:
        """Act in `env`; raises as `CameraObserver`."""
        assert policy.sight is not None
        self.policy, self.observer = policy, CameraObserver(env, policy.sight)
        self.seen: Observation | None = None  # what it looked at last

    def reset(self, num_envs: int) -> None:
        """Start episodes in `num_envs` copies."""
        self.policy.reset(num_envs)

    def act(self, obs: Array) -> Array:
        """Map columns (N, obs_dim) to actions (N, act_dim); raises as `CameraObserver.observe`."""
        if not self.policy.attends():
            return self.policy.act(obs)
        self.seen = self.observer.observe(obs)
        return self.policy.act(self.seen)

    def remember(self, obs: Array, state: Array) -> None:
        """Take the columns (N, obs_dim) and states (N, nstate) of an earlier moment."""
        self.policy.remember(self.observer.observe(obs, state))

    def seed(self, seed: int) -> None:
        """Set the source of the policy's own randomness."""
        self.policy.seed(seed)
