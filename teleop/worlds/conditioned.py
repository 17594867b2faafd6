"""A task of ours under the conditions of the real world, as a session drives it.

A person is a policy: what is shown of the world, its pictures too, is late, lost and noisy as for any other, and what
the person sends arrives late and within the limits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.data.schema import SIGNAL
from robo_rlhf.sim.envs.conditioned_env import FORCE, SENT, ConditionedEnv
from teleop.worlds.native import NativeWorld, RowAt


class ConditionedWorld(ConditionedEnv):
    """Copies of a task under conditions; what they do not change is that of the `NativeWorld` under them."""

    env: NativeWorld

    def __getattr__(self, name: str) -> Any:
        """Return what the world itself has."""
        if name == "env":  # before it is set
            raise AttributeError(name)
        return getattr(self.env, name)

    def begin_at(self, seed: int, goals: Mapping[str, Array]) -> tuple[Array, bool]:
        """Start an episode as `NativeWorld.begin_at`; return what is shown (obs_dim,), and success."""
        obs, success = self.env.begin_at(seed, goals)
        return self.begin(np.array([seed]), obs[None])[0], success

    def show(self, seed: int, row: RowAt, frame: int, *, anew: bool = False) -> tuple[Array, Array]:
        """Enter frame `frame` of an episode, with all that was on the way; return obs as shown, and the true state."""
        return self.enter_frame(seed, row, frame)[0], self.get_state()[0]

    def enter_frame(self, seed: int, row: RowAt, frame: int) -> Array:
        """Enter frame `frame` of an episode with every copy; return what is shown there (N, obs_dim)."""

        def copies(value: Array) -> Array:
            return np.repeat(np.asarray(value)[None], self.num_envs, axis=0)

        force = row(frame).get(SIGNAL + FORCE)
        return self.resume_at(
            np.full(self.num_envs, seed),
            frame,
            lambda t: copies(row(t)["state"]),
            lambda t: copies(row(t + 1)[SIGNAL + SENT]),
            None if force is None else copies(force),
        )
