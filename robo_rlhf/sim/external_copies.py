"""Copies of one outside environment, in this process (`Copies`) or in another (`RemoteCopies`): the same four calls."""

import os
import pickle
import subprocess
import sys
import traceback
import weakref
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space
from gymnasium.utils import seeding

from robo_rlhf.sim.external_ids import Recipe, box_dim, find
from robo_rlhf.types import Array


class Outcome(NamedTuple):
    """What a step gave; leading axis n, the copies of this block."""

    obs: Array  # (n, obs_dim) float32
    reward: Array  # (n,) float32, 0 where the episode was over
    success: Array  # (n,) bool
    active: Array  # (n,) bool, whether the step was taken


class Copies:
    """n copies, stepped one after the other."""

    def __init__(self, first: gymnasium.Env[Any, Any], recipe: Recipe, num_envs: int, horizon: int | None) -> None:
        """Make the copies besides the first."""
        self.envs = [first, *(recipe.make(horizon) for _ in range(num_envs - 1))]
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
        """Step the copies whose episode goes on, with actions (n, act_dim) in [-1, 1]; others repeat their values."""
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
        self.name, self._unanswered = recipe.name, 0
        self._pipe, theirs = Pipe()
        # Not multiprocessing: that would run the caller's main script again, which need not be guarded against it.
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from robo_rlhf.sim.external_copies import serve; serve()", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the caller, who then closes the pipe
        )
        theirs.close()
        self.close = weakref.finalize(self, _end, self._pipe, self._process)  # a second call does nothing
        by_value = isinstance(recipe.spec.entry_point, str)
        self._pipe.send_bytes(pickle.dumps((recipe if by_value else recipe.name, num_envs, horizon)))

    def send(self, method: str, argument: Array) -> None:
        """Ask for `reset` with seeds or `step` with actions; an answer that nobody waited for is dropped."""
        try:
            for _ in range(self._unanswered):
                self._pipe.recv()
            self._pipe.send((method, argument))
        except (EOFError, OSError):
            raise self._gone() from None
        self._unanswered = 1

    def receive(self) -> Any:
        """Wait for the answer.

        Raises:
            RuntimeError: the environment failed over there; the message holds its traceback.
        """
        try:
            ok, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        self._unanswered = 0
        if not ok:
            raise RuntimeError(f"{self.name} failed in its worker process:\n{answer}")
        return answer

    def _gone(self) -> RuntimeError:
        return RuntimeError(f"The worker process of {self.name} has ended (exit code {self._process.wait()}).")


def _end(pipe: Connection, process: subprocess.Popen[bytes]) -> None:
    """Close the pipe, at which the process ends by itself."""
    pipe.close()
    process.wait()


def serve() -> None:
    """Run a worker process: answer calls until the other side closes the pipe."""
    pipe = Connection(int(sys.argv[1]))
    copies: Copies | None = None
    try:
        failure = ""
        try:
            copies = _open(*pickle.loads(pipe.recv_bytes()))
        except Exception:  # whatever an outside environment raises is reported to who uses it
            failure = traceback.format_exc()
        while True:
            method, argument = pipe.recv()
            pipe.send(_answer(copies, method, argument) if copies else (False, failure))
    except (EOFError, OSError):
        if copies is not None:
            copies.close()


def _open(recipe: Recipe | str, num_envs: int, horizon: int | None) -> Copies:
    known = find(recipe) if isinstance(recipe, str) else recipe
    return Copies(known.make(horizon), known, num_envs, horizon)


def _answer(copies: Copies, method: str, argument: Array) -> tuple[bool, Any]:
    try:
        return True, getattr(copies, method)(argument)
    except Exception:
        return False, traceback.format_exc()


def seeded_reset(env: gymnasium.Env[Any, Any], seed: int) -> Any:
    """Start the episode of `seed` and return the first observation.

    The generator is set too: some environments draw from it before they look at the seed, or ignore the seed.
    """
    env.unwrapped.np_random = seeding.np_random(seed)[0]
    return env.reset(seed=seed)[0]


def flatten(space: Space[Any], obs: Any) -> Array:
    """Return an observation as one row of float32; the entries of a dictionary follow each other by name."""
    if isinstance(space, Dict):
        return np.concatenate([flatten(space[key], obs[key]) for key in sorted(space)])
    return np.asarray(obs, np.float32).reshape(-1)


def scale(box: Box, action: Array) -> Array:
    """Map actions (n, act_dim) in [-1, 1] to the bounds of `box`, as (n, *box.shape)."""
    low, high = box.low.astype(np.float64).reshape(-1), box.high.astype(np.float64).reshape(-1)
    inside = np.clip(low + (action.astype(np.float64) + 1.0) * (0.5 * (high - low)), low, high)
    return inside.reshape(-1, *box.shape).astype(box.dtype)
