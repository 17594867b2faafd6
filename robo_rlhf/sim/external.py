"""Any Gymnasium environment with box spaces as a `VecEnv`: `ExternalVecEnv("Pusher-v5", num_envs=16)`.

Observations are flattened, actions are scaled from [-1, 1], episodes have a fixed horizon in which a copy that ends
early repeats its last values with `Step.active` False. An outside environment cannot be entered again at a state:
`get_state` is empty, and its clips are made by replaying the actions of an episode, see `robo_rlhf.sim.external_clips`.
"""

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from robo_rlhf.errors import InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.sim.external_copies import Copies, Outcome, RemoteCopies
from robo_rlhf.sim.external_ids import Recipe, box_dim, find
from robo_rlhf.types import Array, Step

COPIES_PER_WORKER = 16  # fewer are stepped faster in one process than messages and waiting take


class ExternalVecEnv:
    """N copies of one outside environment. Implements `VecEnv`."""

    def __init__(self, env_id: str, num_envs: int, horizon: int | None = None, workers: int | None = None) -> None:
        """Make the copies.

        Args:
            env_id: "Pusher-v5", "my_package:MyEnv-v0", "Meta-World/MT1:button-press-v3@150", ...
            num_envs: how many.
            horizon: steps an episode; what the name says after "@", or the environment's own time limit, where None.
            workers: processes besides this one that share the work; chosen by the cores and copies where None.

        Raises:
            UnknownNameError: no such environment; suggests the nearest.
            MissingDependencyError: the package of the environment is not installed.
            InvalidValueError: its spaces are not boxes, or it has no time limit and no `horizon` is given.
        """
        recipe = find(env_id)
        first = recipe.make(horizon)
        self.name, self.num_envs = env_id, num_envs
        self.obs_dim = box_dim(first.observation_space, f"observation space of {env_id}")
        self.act_dim = _action_dim(first, env_id)
        self.horizon = horizon or recipe.limit or _time_limit(first, env_id)
        self.control_dt = _control_dt(first)
        sizes = _shares(recipe, num_envs, workers)
        self._remote = [RemoteCopies(recipe, size, horizon) for size in sizes[1:]]
        self._local = Copies(first, recipe, sizes[0], horizon)
        self._bounds = np.cumsum([0, *sizes])

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return obs (N, obs_dim). Copy i depends on seeds[i] alone.

        Raises:
            ShapeError: not one seed a copy.
        """
        seeds = np.asarray(seeds)
        if seeds.shape != (self.num_envs,):
            raise ShapeError("seeds", (self.num_envs,), seeds.shape)
        return np.concatenate(self._each("reset", seeds))

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim), clipped to [-1, 1], in the copies whose episode goes on.

        Raises:
            ShapeError: not one action a copy.
            NonFiniteError: NaN or infinity among the actions; nothing was stepped.
        """
        if action.shape != (self.num_envs, self.act_dim):
            raise ShapeError("action", (self.num_envs, self.act_dim), action.shape)
        if not np.isfinite(action).all():
            bad = np.flatnonzero(~np.isfinite(action).all(axis=1))
            raise NonFiniteError("The action", f"{self.name}, copies {bad.tolist()}", "The step was not taken.")
        applied = np.clip(action, -1.0, 1.0).astype(np.float32)
        whole = Outcome(*(np.concatenate(parts) for parts in zip(*self._each("step", applied), strict=True)))
        return Step(whole.obs, whole.reward, whole.success, applied, {}, whole.active)

    def get_state(self) -> Array:
        """Return (N, 0): an outside environment has no state that could be entered."""
        return np.zeros((self.num_envs, 0))

    def set_state(self, state: Array) -> Array:
        """Refuse.

        Raises:
            InvalidValueError: always.
        """
        raise InvalidValueError(f"state of {self.name}", "one to enter", "none: outside environments only start anew")

    def close(self) -> None:
        """Close all copies and end the worker processes; a second call does nothing."""
        for remote in self._remote:
            remote.close()
        self._local.close()

    def _each(self, method: str, rows: Array) -> list[Any]:
        """Call `method` on every block with its part of `rows`; the worker processes begin first."""
        parts = [rows[start:stop] for start, stop in zip(self._bounds[:-1], self._bounds[1:], strict=True)]
        for block, part in zip(self._remote, parts[1:], strict=True):
            block.send(method, part)
        return [getattr(self._local, method)(parts[0]), *(block.receive() for block in self._remote)]


def _shares(recipe: Recipe, num_envs: int, workers: int | None) -> list[int]:
    """Return how many copies each process has, this one first."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        workers = min(cores, num_envs // COPIES_PER_WORKER) - 1
    blocks = max(0, min(workers, num_envs - 1)) + 1 if recipe.portable else 1
    return [num_envs // blocks + (i < num_envs % blocks) for i in range(blocks)]


def _action_dim(env: gymnasium.Env[Any, Any], name: str) -> int:
    space, what = env.action_space, f"action space of {name}"
    if not (isinstance(space, Box) and np.issubdtype(space.dtype, np.floating) and space.is_bounded()):
        raise InvalidValueError(what, str(space), "a Box of floating-point numbers with finite bounds")
    return int(space.low.size)


def _time_limit(env: gymnasium.Env[Any, Any], name: str) -> int:
    limit = env.spec.max_episode_steps if env.spec else None
    if limit is None:
        raise InvalidValueError(f"horizon of {name}", "none", "a number of steps: the environment has no time limit")
    return limit


def _control_dt(env: gymnasium.Env[Any, Any]) -> float:
    """Return the time between two actions [s]: what the environment says, else what its pictures imply."""
    dt = getattr(env.unwrapped, "dt", None)
    if isinstance(dt, float) and dt > 0:
        return dt
    return 1.0 / float(env.metadata.get("render_fps") or 20)
