"""The MuJoCo model and data inside an outside environment, and its integration state.

Known are Gymnasium's `MujocoEnv` and what derives from it or looks like it (gymnasium-robotics, gym-hil, Meta-World),
dm_control's `physics` (through shimmy) and robosuite's `sim`. An environment of a user's own is known by one method,
`mujoco_simulation()`, which returns its model and data.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.physics.model_identity import compiled_hash

STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_DRIVES_A_JOINT = int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)


class Physics(NamedTuple):
    """The simulation inside an environment; valid until its next reset."""

    model: mujoco.MjModel
    data: mujoco.MjData
    size: int  # how many numbers a state holds

    def read(self, out: Array) -> None:
        """Write the integration state into `out` (size,) float64."""
        mujoco.mj_getState(self.model, self.data, out, STATE)

    def enter(self, state: Array) -> None:
        """Set the integration state (size,), and compute what follows from it."""
        mujoco.mj_setState(self.model, self.data, state, STATE)
        mujoco.mj_forward(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, state, STATE)  # mj_forward changes the warm start of the solver

    @property
    def hash(self) -> str:
        """What tells this model from others on this machine; environments may change it in each episode."""
        return compiled_hash(self.model)


def physics_of(env: gymnasium.Env[Any, Any]) -> Physics | None:
    """Return the simulation inside an environment, as it is now; None where none is found."""
    inner = env.unwrapped
    for look in _PLACES:
        try:
            model, data = look(inner)
        except Exception:  # an attribute that is not there, a property of others that raises
            continue
        if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
            return Physics(model, data, int(mujoco.mj_stateSize(model, STATE)))
    return None


@contextmanager
def untouched(env: gymnasium.Env[Any, Any]) -> Iterator[None]:
    """Leave the simulation of an environment as it was before: some change it when they render.

    gymnasium-robotics' Fetch computes what follows from the state, from which its next step goes on.
    """
    physics = physics_of(env)
    before = copy(physics.data) if physics else None
    yield
    if physics and before is not None:
        _take_over(physics.data, physics.model, before)


def _take_over(data: mujoco.MjData, model: mujoco.MjModel, before: mujoco.MjData) -> None:
    """Make `data` as it was `before`."""
    if hasattr(mujoco, "mj_copyData"):
        mujoco.mj_copyData(data, model, before)
        return
    data.time = before.time  # MuJoCo before it had that: all but contacts, which each step finds anew
    for name in dir(type(data)):
        now, then = getattr(data, name), getattr(before, name)
        if isinstance(now, np.ndarray) and now.shape == then.shape:
            now[:] = then


def state_size(env: gymnasium.Env[Any, Any]) -> int:
    """Return how many numbers a state of an environment holds; 0 where it is not MuJoCo."""
    physics = physics_of(env)
    return physics.size if physics else 0


def actuator_names(env: gymnasium.Env[Any, Any], count: int) -> tuple[str, ...]:
    """Return the names of the `count` actuators that an environment has, or of the joints that they drive.

    Empty where it has another number of actuators, or one of them has no name.
    """
    physics = physics_of(env)
    if physics is None or physics.model.nu != count:
        return ()
    names = tuple(_actuator_name(physics.model, i) for i in range(count))
    return names if all(names) and len(set(names)) == count else ()


def actuator_positions(env: gymnasium.Env[Any, Any], count: int) -> Array:
    """Return where the joints of an environment's `count` position actuators are, in [-1, 1] of what they are given.

    NaN for an actuator of another kind; for all where it has another number of actuators.
    """
    physics = physics_of(env)
    if physics is None or physics.model.nu != count:
        return np.full(count, np.nan)
    model, data = physics.model, physics.data
    servo = (model.actuator_biastype == mujoco.mjtBias.mjBIAS_AFFINE) & (model.actuator_gainprm[:, 0] > 0)
    servo &= np.isclose(model.actuator_biasprm[:, 1], -model.actuator_gainprm[:, 0])
    low, high = model.actuator_ctrlrange.T
    with np.errstate(divide="ignore", invalid="ignore"):
        at = 2 * (data.actuator_length - low) / (high - low) - 1
    return np.where(servo & (high > low), np.clip(at, -1, 1), np.nan)


def _actuator_name(model: mujoco.MjModel, actuator: int) -> str:
    name = str(model.actuator(actuator).name)
    if name or model.actuator_trntype[actuator] not in _DRIVES_A_JOINT:
        return name
    return str(model.joint(model.actuator_trnid[actuator, 0]).name)


def _own(env: Any) -> Any:
    return env.mujoco_simulation()


def _gymnasium(env: Any) -> Any:
    return env.model, env.data


def _dm_control(env: Any) -> Any:
    physics = env._env.physics  # of shimmy's wrapper
    return physics.model.ptr, physics.data.ptr


def _robosuite(env: Any) -> Any:
    return env.sim.model._model, env.sim.data._data


_PLACES: tuple[Callable[[Any], Any], ...] = (_own, _gymnasium, _dm_control, _robosuite)
