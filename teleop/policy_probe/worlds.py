"""The worlds that the policy probe enters: copies of a native task, or of an outside environment with states."""

import re
from typing import Any

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.external.physics import physics_of
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.tasks import TASKS

ENDLESS = 10**9  # steps: what an environment would do later than its time limit is asked too
_TOOL = re.compile(r"grip|hand|tool|tip|(?<![a-z])ee(?![a-z])|end.?eff|wrist", re.IGNORECASE)


class NativeWorld(TaskEnv):
    """Copies of a task of ours."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """One name a column of an action."""
        return tuple(self.task.action_names)

    def enter(self, seeds: Array, state: Array, obs: Array) -> Array:
        """Enter recorded states (N, nstate), of whatever seeds; return the observations (N, obs_dim) that they have."""
        return self.set_state(state)

    def succeeded(self) -> Array:
        """Return whether each copy has succeeded, (N,) bool."""
        return self.task.success(self.sim).copy()

    def tool(self) -> Array:
        """Return the position of the hand, or of the rover, (N, 3) [m]."""
        return np.array(self.task.signals(self.sim)["ee_pos"], np.float64)


class OutsideWorld(ExternalVecEnv):
    """Copies of an outside environment that states enter exactly."""

    def __init__(self, name: str, num_envs: int) -> None:
        """Make the copies, in this process; raises as `ExternalVecEnv`."""
        super().__init__(name, num_envs, horizon=ENDLESS, workers=0)
        self.reset(np.zeros(num_envs, np.int64))

    def succeeded(self) -> Array:
        """Return that no copy has succeeded: an environment reports success with a step."""
        return np.zeros(self.num_envs, np.bool_)

    def tool(self) -> Array:
        """Return the position of what is named like a hand or its tip, (N, 3) [m]; zeros where nothing is."""
        return np.stack([_position(physics_of(env)) for env in self.copies])


World = NativeWorld | OutsideWorld


def open_world(task: str, num_envs: int) -> World:
    """Return copies of a task or an outside environment, by its name.

    Raises:
        RoboRlhfError: there is none, or it cannot be made.
    """
    if is_outside(task):
        return OutsideWorld(task, num_envs)
    return NativeWorld(TASKS[task](), num_envs, nthread=1)


def _position(physics: Any) -> Array:
    if physics is None:
        return np.zeros(3)
    model, data = physics.model, physics.data
    for kind, count, places in (
        (mujoco.mjtObj.mjOBJ_SITE, model.nsite, data.site_xpos),
        (mujoco.mjtObj.mjOBJ_BODY, model.nbody, data.xpos),
    ):
        named = [i for i in range(count) if _TOOL.search(mujoco.mj_id2name(model, kind, i) or "")]
        if named:
            return np.array(places[named[-1]], np.float64)
    return np.zeros(3)
