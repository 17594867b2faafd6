"""Copies of one outside environment, in this process (`Copies`) or in another (`RemoteCopies`): the same four calls."""

import os
import pickle
import subprocess
import sys
import traceback
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space
from gymnasium.utils import seeding

from robo_rlhf.sim.external_ids import Recipe, box_dim
from robo_rlhf.types import Array


class Outcome(NamedTuple):
    """What a step gave; leading axis n, the copies of this block."""

    obs: Array  # (n, obs_dim) float32
    reward: Array  # (n,) float32, 0 where the episode was over
    success: Array  # (n,) bool
    active: Array  # (n,) bool, whether the step was taken


class Copies:
    """n copies, stepped one after the other."""

    def __init__(self, recipe: Recipe, num_envs: int, horizon: int | None) -> None:
        """Make the copies."""
        self.envs = [recipe.make(horizon) for _ in range(num_envs)]
        self.space: Space[Any] = self.envs[0].observation_space
        self.box = cast(Box, self.envs[0].action_space)
        self.obs: Array = np.zeros((num_envs, box_dim(self.space, "observation space")), np.float32)
        self.success = np.zeros(num_envs, np.bool_)
        self.active = np.ones(num_envs, np.bool_)

    def reset(self, seeds: Array) -> Array:
        """Start episodes; return obs (n, obs_dim)."""
        for i, env in enumerate(self.envs):
            self.obs[i] = flatten(self.space, seeded_reset(env, int(seeds[i])))
        self.success[:] = False
        self.active[:] = True
        return self.obs.copy()

    def step(self, action: Array) -> Outcome:
        """Step the copies whose episode goes on with actions (n, act_dim) in [-1, 1]; the others repeat their values."""
        active = self.active.copy()
        reward = np.zeros(len(self.envs), np.float32)
        commands = scale(self.box, action)
        for i in np.flatnonzero(active):
            obs, reward[i], terminated, truncated, info = self.envs[i].step(commands[i])
            self.obs[i] = flatten(self.space, obs)
            self.success[i] = bool(info.get("success", info.get("is_success", False)))
            self.active[i] = not (terminated or truncated)
        return Outcome(self.obs.copy(), reward, self.success.copy(), active)

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()


class RemoteCopies:
    """The same in a process of its own; `send` and `receive` are apart, so that several processes work at once."""

    def __init__(self, recipe: Recipe, num_envs: int, horizon: int | None) -> None:
        """Start the process; it makes its copies while this one goes on."""
        assert recipe.portable
        self.name = recipe.name
        self._pipe, theirs = Pipe()
        # Not multiprocessing: that would run the caller's main script again, which need not be guarded against it.
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from robo_rlhf.sim.external_copies import serve; serve()", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        by_value = isinstance(recipe.spec.entry_point, str)
        self._pipe.send_bytes(pickle.dumps((recipe if by_value else recipe.name, num_envs, horizon)))

    def send(self, method: str, argument: Array) -> None:
        """Ask for `reset` with seeds or `step` with actions."""
        try:
            self._pipe.send((method, argument))
        except OSError:
            raise self._gone() from None

    def receive(self) -> Any:  # noqa: ANN401 - what the method returns
        """Wait for the answer.

        Raises:
            RuntimeError: the environment failed over there; the message holds its traceback.
        """
        try:
            ok, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if not ok:
            raise RuntimeError(f"{self.name} failed in its worker process:\n{answer}")
        return answer

    def close(self) -> None:
        """End the process; a second call does nothing."""
        self._pipe.close()
        self._process.wait()

    def _gone(self) -> RuntimeError:
        return RuntimeError(f"The worker process of {self.name} has ended (exit code {self._process.wait()}).")


def serve() -> None:
    """Run a worker process: answer calls until the other side closes the pipe."""
    pipe = Connection(int(sys.argv[1]))
    try:
        recipe, num_envs, horizon = pickle.loads(pipe.recv_bytes())
    except EOFError:
        return
    copies: Copies | None = None
    while True:
        try:
            method, argument = pipe.recv()
        except EOFError:
            break
        try:
            copies = copies or Copies(_found(recipe), num_envs, horizon)
            answer = (True, getattr(copies, method)(argument))
        except Exception:  # whatever an outside environment raises is reported where it is used
            answer = (False, traceback.format_exc())
        pipe.send(answer)
    if copies is not None:
        copies.close()


def seeded_reset(env: gymnasium.Env[Any, Any], seed: int) -> Any:  # noqa: ANN401 - any observation
    """Start the episode of `seed` and return the first observation.

    The generator is set too: some environments draw from it before they look at the seed, or ignore the seed.
    """
    env.unwrapped.np_random = seeding.np_random(seed)[0]
    return env.reset(seed=seed)[0]


def flatten(space: Space[Any], obs: Any) -> Array:  # noqa: ANN401 - any observation
    """Return an observation as one row of float32; the entries of a dictionary follow each other by name."""
    if isinstance(space, Dict):
        return np.concatenate([flatten(space[key], obs[key]) for key in sorted(space)])
    return np.asarray(obs, np.float32).reshape(-1)


def scale(box: Box, action: Array) -> Array:
    """Map actions (n, act_dim) in [-1, 1] to the bounds of `box`, as (n, *box.shape)."""
    low, high = box.low.astype(np.float64).reshape(-1), box.high.astype(np.float64).reshape(-1)
    inside = np.clip(low + (action.astype(np.float64) + 1.0) * (0.5 * (high - low)), low, high)
    return inside.reshape(-1, *box.shape).astype(box.dtype)


def _found(recipe: Recipe | str) -> Recipe:
    from robo_rlhf.sim.external_ids import find

    return find(recipe) if isinstance(recipe, str) else recipe
