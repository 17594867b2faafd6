"""Any Gymnasium environment as a `VecEnv`: `ExternalVecEnv("Pusher-v5", num_envs=16)`.

Observations and actions are columns with names (`external.spaces`), actions are scaled from [-1, 1], episodes have a
fixed horizon in which a copy that ends early repeats its last values with `Step.active` False. All values from an
environment are checked; after an invalid value or an exception, the episode of that copy ends, and `Step.faults` holds
the reason. Where the environment is MuJoCo, `get_state` gives its integration states, and `provenance` says whether
they alone enter a frame exactly and show it; see `robo_rlhf.sim.external.proof`. Else it is empty, and frames are shown
and entered by a replay.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.core.types import NO_FAULTS, Array, Step
from robo_rlhf.sim.external.checks import time_step
from robo_rlhf.sim.external.copies import Copies, CopiesStep, RemoteCopies
from robo_rlhf.sim.external.ids import Recipe, find
from robo_rlhf.sim.external.physics import actuator_names, physics_of
from robo_rlhf.sim.external.proof import provenance_of
from robo_rlhf.sim.external.spaces import PICTURE, Actions

_log = logging.getLogger(__name__)
COPIES_PER_WORKER = 16  # fewer are stepped faster in one process, without the overhead of messages


class ExternalVecEnv:
    """N copies of one outside environment. Implements `VecEnv`."""

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        horizon: int | None = None,
        workers: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Make the copies.

        Args:
            env_id: "Pusher-v5", "my_package:MyEnv-v0", "Meta-World/MT1:button-press-v3@150", ...
            num_envs: the number of copies.
            horizon: steps per episode; the number after "@" in the name, or the environment's time limit, where None.
            workers: additional processes that share the work; chosen by the cores and copies where None.
            render_mode: in which the copies are made, such as "rgb_array"; none where None.

        Raises:
            UnknownNameError: no such environment; suggests the nearest.
            MissingDependencyError: the package of the environment is not installed.
            EnvironmentFaultError: it raises an exception on creation.
            InvalidValueError: its spaces cannot be columns, its time step is none, or it has no time limit
                and no `horizon` is given.
        """
        recipe = find(env_id).rendering(render_mode)
        first = recipe.make(horizon)
        self.name, self.num_envs = env_id, num_envs
        self._actions = Actions(first.action_space, env_id)
        self.act_dim, still = self._actions.size, self._actions.still
        self.horizon = horizon or recipe.limit or _time_limit(first, env_id)
        self.control_dt = time_step(first, env_id)
        sizes = _shares(recipe, num_envs, workers)
        self._local = Copies(first, recipe, sizes[0], horizon)
        self.obs_dim, self.obs_names = self._local.reader.size, self._local.reader.names
        self.observed_cameras = tuple(self._local.reader.sizes)  # of the pictures in its observations
        self.action_names = actuator_names(first, self.act_dim) or self._actions.names
        nstate = self._local.state_size
        self._remote = [RemoteCopies(recipe, size, horizon, self.obs_dim, nstate) for size in sizes[1:]]
        self._recipe, self._state = recipe, np.zeros((num_envs, nstate))
        self._bounds = np.cumsum([0, *sizes])
        self.faults: Mapping[int, str] = NO_FAULTS  # copy → its fault in the last reset or since
        self._warned = False
        if still:
            _log.warning("%s: the bounds of action columns %s leave no room; they do nothing", env_id, still)
        for camera, why in self._local.reader.cameras.items():
            if why:
                _log.warning("%s: %s is left out: %s; a camera gives %s", env_id, camera, why, PICTURE)
            else:
                _log.warning("%s: %s is a picture, which policies see with --cameras %s", env_id, camera, camera)

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return obs (N, obs_dim). Copy i depends on seeds[i] alone.

        A copy that cannot start is in `faults`, and its observation is 0.

        Raises:
            ShapeError: not one seed a copy.
            EnvironmentFaultError: copies cannot be made in a worker process.
        """
        seeds = np.asarray(seeds)
        if seeds.shape != (self.num_envs,):
            raise ShapeError("seeds", (self.num_envs,), seeds.shape)
        self.faults = NO_FAULTS
        return self._whole("reset", seeds).obs

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim), clipped to [-1, 1], in the copies with a running episode.

        Raises:
            ShapeError: not one action a copy.
            NonFiniteError: NaN or infinity among the actions; nothing was stepped.
        """
        if action.shape != (self.num_envs, self.act_dim):
            raise ShapeError("action", (self.num_envs, self.act_dim), action.shape)
        if not np.isfinite(action).all():
            bad = np.flatnonzero(~np.isfinite(action).all(axis=1))
            raise NonFiniteError("The action", f"{self.name}, copies {bad.tolist()}", "The step was not taken.")
        applied = self._actions.applied(np.clip(action, -1.0, 1.0).astype(np.float32))
        whole = self._whole("step", applied)
        return Step(whole.obs, whole.reward, whole.success, applied, {}, whole.active, self.faults)

    def get_state(self) -> Array:
        """Return a copy of the integration states (N, nstate); (N, 0) where the environment is not MuJoCo."""
        return self._state.copy()

    def pictures(self) -> dict[str, Array]:
        """Return the pictures (N, H, W, 3) uint8 of the newest observations, by camera; black where there is none."""
        parts = [self._local.pictures(), *(remote.pictures() for remote in self._remote)]
        counts = np.diff(self._bounds)
        return {
            name: np.concatenate(
                [part.get(name, np.zeros((n, *shape), np.uint8)) for n, part in zip(counts, parts, strict=True)]
            )
            for name, shape in self._local.reader.sizes.items()
        }

    def set_state(self, state: Array) -> Array:
        """Refuse: see `enter`.

        Raises:
            InvalidValueError: always.
        """
        raise InvalidValueError(f"state of {self.name}", "one alone", "a recorded frame, with its observation")

    @property
    def copies(self) -> Sequence[gymnasium.Env[Any, Any]]:
        """The environments of the copies that are in this process."""
        return self._local.envs

    def enter(self, seeds: Array, state: Array, obs: Array) -> Array:
        """Enter frames of the episodes of `seeds` (N,) by their states (N, nstate); return their `obs` (N, obs_dim).

        An environment does not compute observations from a state, so those that were recorded are given. Only copies
        in this process can be entered.

        Raises:
            ShapeError: not one state and observation a copy.
        """
        assert not self._remote
        for what, given, size in (("state", state, self._state.shape[1]), ("observation", obs, self.obs_dim)):
            if given.shape != (self.num_envs, size):
                raise ShapeError(what, (self.num_envs, size), given.shape)
        entered = self._local.enter(seeds, state, obs)
        self._state, self.faults = entered.state, entered.faults
        return entered.obs

    @cached_property
    def model_hash(self) -> str:
        """What tells the model of a new copy from others, on this machine; empty where there is none."""
        physics = physics_of(self._local.envs[0])
        return physics.hash if physics else ""

    @cached_property
    def provenance(self) -> Mapping[str, str]:
        """The versions that an episode's states depend on, and by what its frames are shown and entered.

        An environment that was never proven is, in a copy of its own. Empty where the environment is not MuJoCo.
        """
        return provenance_of(self._recipe) if self._local.state_size else {}

    def close(self) -> None:
        """Close all copies and end the worker processes; a second call does nothing."""
        for remote in self._remote:
            remote.close()
        self._local.close()

    def _whole(self, method: str, rows: Array) -> CopiesStep:
        """Call `method` on every block with its part of `rows`, the worker processes first; join the results."""
        parts = [rows[start:stop] for start, stop in zip(self._bounds[:-1], self._bounds[1:], strict=True)]
        for block, part in zip(self._remote, parts[1:], strict=True):
            block.send(method, part)
        local = self._local.reset(parts[0]) if method == "reset" else self._local.step(parts[0])
        found = [local, *(block.receive() for block in self._remote)]
        faults = {
            int(start) + i: fault
            for start, one in zip(self._bounds, found, strict=False)
            for i, fault in one.faults.items()
        }
        if faults:
            self._note(faults)
        obs, reward, success, active = (np.concatenate([one[k] for one in found]) for k in range(4))
        self._state = np.concatenate([one.state for one in found])
        return CopiesStep(obs, reward, success, active, faults, self._state)

    def _note(self, faults: dict[int, str]) -> None:
        """Store the faults that ended episodes; the first one is logged."""
        self.faults = faults
        if not self._warned:
            copy, fault = next(iter(faults.items()))
            _log.warning("%s (copy %d of %d; its episode was ended, others continue)", fault, copy, self.num_envs)
            self._warned = True


def _shares(recipe: Recipe, num_envs: int, workers: int | None) -> list[int]:
    """Return how many copies each process has, this one first."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        workers = min(cores, num_envs // COPIES_PER_WORKER) - 1
    blocks = max(0, min(workers, num_envs - 1)) + 1 if recipe.portable else 1
    return [num_envs // blocks + (i < num_envs % blocks) for i in range(blocks)]


def _time_limit(env: gymnasium.Env[Any, Any], name: str) -> int:
    limit = env.spec.max_episode_steps if env.spec else None
    if not isinstance(limit, int) or limit < 1:
        raise InvalidValueError(f"horizon of {name}", "none", "a number of steps: the environment has no time limit")
    return limit
