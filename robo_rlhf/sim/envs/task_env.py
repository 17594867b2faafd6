"""Vectorised environments: a task over a batch of simulations, and creation by name."""

import platform
from collections.abc import Mapping
from functools import cached_property

import mujoco
import numpy as np

import robo_rlhf
from robo_rlhf.core.errors import NonFiniteError, ShapeError
from robo_rlhf.core.types import Array, Step, VecEnv
from robo_rlhf.sim.external.ids import (
    is_outside,
)
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.physics.model_identity import (
    is_same,
    machine,
    model_hash,
)
from robo_rlhf.sim.task import Task
from robo_rlhf.sim.tasks import TASKS


class TaskEnv:
    """N copies of one task in lock step, with a fixed horizon and no autoreset. Implements `VecEnv`."""

    def __init__(self, task: Task, num_envs: int, nthread: int = 0) -> None:
        """Compile the task's scene and make `num_envs` copies, stepped on `nthread` threads (0: all cores)."""
        self.task, self.name = task, task.name
        self._spec = task.scene()
        self.model: mujoco.MjModel = self._spec.compile()
        self.control_dt = 1.0 / task.control_hz
        substeps = round(self.control_dt / self.model.opt.timestep)
        self.sim = BatchSim(self.model, num_envs, substeps, nthread)
        self.num_envs, self.horizon = num_envs, task.horizon
        self.action_names = tuple(task.action_names)
        self.obs_dim, self.act_dim = len(task.obs_names), len(self.action_names)
        self._active = np.ones(num_envs, np.bool_)

    @cached_property
    def model_hash(self) -> str:
        """Identity of the scene, stored with every episode; the same on every processor."""
        return model_hash(self._spec)

    def is_scene_of(self, recorded: str) -> bool | None:
        """Whether the `model_hash` of a recording is of this scene; None where it cannot be determined."""
        return recorded == self.model_hash or is_same(recorded, self._spec, self.model)

    def reset(self, seeds: Array) -> Array:
        """Start episodes from `seeds` (N,); return obs (N, obs_dim). Copy i depends on seeds[i] alone."""
        return self.reset_at(np.arange(self.num_envs), seeds)

    def reset_at(self, ids: Array, seeds: Array) -> Array:
        """Start episodes in copies `ids` (n,), sorted, from `seeds` (n,); return their obs (n, obs_dim).

        Raises:
            ShapeError: not one seed a copy.
        """
        seeds = np.asarray(seeds)
        if seeds.shape != (len(ids),):
            raise ShapeError("seeds", (len(ids),), seeds.shape)
        self.sim.reset(ids)
        for index, seed in zip(ids, seeds, strict=True):
            self.task.reset(self.sim, int(index), np.random.default_rng(int(seed)))
        self.sim.forward(ids)
        return self.task.observe(self.sim)[ids]

    def step(self, action: Array) -> Step:
        """Apply `action` (N, act_dim), clipped to [-1, 1], for one control step.

        Raises:
            ShapeError: not one action a copy.
            NonFiniteError: NaN or infinity among the actions; nothing was stepped.
        """
        if action.shape != (self.num_envs, self.act_dim):
            raise ShapeError("action", (self.num_envs, self.act_dim), action.shape)
        if not np.isfinite(action).all():
            bad = np.flatnonzero(~np.isfinite(action).all(axis=1))
            raise NonFiniteError("The action", f"task {self.name}, copies {bad.tolist()}", "The step was not taken.")
        applied = np.clip(action, -1.0, 1.0).astype(np.float32)
        self.task.control(self.sim, applied)
        self.sim.step()
        return Step(
            obs=self.task.observe(self.sim),
            reward=self.task.reward(self.sim),
            success=self.task.success(self.sim),
            applied=applied,
            signals=self.task.signals(self.sim),
            active=self._active,
        )

    def reward_terms(self) -> Mapping[str, Array]:
        """Return the named terms of the task's reward in the current state, each (N,) in [0, 1]."""
        return self.task.reward_terms(self.sim)

    def get_state(self) -> Array:
        """Return a copy of the integration states (N, nstate)."""
        return self.sim.state.copy()

    def set_state(self, state: Array) -> Array:
        """Enter the states (N, nstate); return obs (N, obs_dim)."""
        self.sim.set_state(state)
        return self.task.observe(self.sim)

    def close(self) -> None:
        """Do nothing: the batch is freed with the object."""


def make_env(name: str, num_envs: int = 1, nthread: int = 0) -> VecEnv:
    """Make `num_envs` copies of a native task ("pick_place") or of an outside environment ("Pusher-v5").

    Raises:
        UnknownNameError: neither a task nor a Gymnasium id.
    """
    if name in TASKS or not is_outside(name):
        return TaskEnv(TASKS[name](), num_envs, nthread)
    from robo_rlhf.sim.external.vec_env import ExternalVecEnv

    return ExternalVecEnv(name, num_envs)


def versions() -> Mapping[str, str]:
    """Return the provenance that every episode records: versions, and the machine."""
    made_by = {"robo_rlhf": robo_rlhf.__version__, "mujoco": mujoco.__version__, "python": platform.python_version()}
    return {**made_by, **machine()}


def is_made_here(recorded: Mapping[str, str]) -> bool:
    """Whether the `versions` of an episode are of this MuJoCo and a machine like this one: bits are then the same."""
    return all(recorded.get(name) == value for name, value in {"mujoco": mujoco.__version__, **machine()}.items())
