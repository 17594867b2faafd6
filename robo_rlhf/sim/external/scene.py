"""The scene of an outside environment that is MuJoCo: its model, seen as the environment itself shows it."""

import copy
from functools import lru_cache
from typing import Any

import gymnasium
import mujoco
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.checks import raised
from robo_rlhf.sim.external.copies import seeded_reset
from robo_rlhf.sim.external.ids import SEED_SIGN, find
from robo_rlhf.sim.external.physics import physics_of

OPEN = 4  # environments that are kept open
FREE_DISTANCE = 1.5  # [extents of the scene] from MuJoCo's default camera to the point that it looks at


def outside_scene(name: str) -> tuple[mujoco.MjModel, Array]:
    """Return the model of an outside environment and its state (nstate,) at the start of an episode.

    "ID" is as after the reset with seed 0, "ID#7" as with seed 7.

    Raises:
        UnknownNameError, MissingDependencyError, EnvironmentFaultError: it cannot be made, see `ids.find`.
        InvalidValueError: it is not MuJoCo.
    """
    task, sign, seed = name.partition(SEED_SIGN)
    env = _opened(task)
    try:
        seeded_reset(env, int(seed) if sign else 0)
    except Exception as error:  # an external environment may raise anything
        _opened.cache_clear()
        raise EnvironmentFaultError(f"{task} {raised('reset', error)}") from error
    return model_of(env)


def model_of(env: gymnasium.Env[Any, Any]) -> tuple[mujoco.MjModel, Array]:
    """Return a copy of the model in an environment, and the state (nstate,) that it is in.

    Raises:
        InvalidValueError: it is not MuJoCo.
    """
    physics = physics_of(env)
    if physics is None:
        raise InvalidValueError(f"environment {env}", "no MuJoCo model in it", "one to draw states of")
    state = np.zeros(physics.size)
    physics.read(state)
    model = copy.copy(physics.model)
    _look_as_before(model, env.unwrapped)
    return model, state


@lru_cache(OPEN)
def _opened(task: str) -> gymnasium.Env[Any, Any]:
    """Return a copy that is kept open, since making one may take seconds and each episode may need its model."""
    return find(task).make(horizon=-1)


def _look_as_before(model: mujoco.MjModel, env: Any) -> None:
    """Let MuJoCo's default camera of a model be the one that Gymnasium's environments are configured with."""
    renderer = getattr(env, "mujoco_renderer", None)
    config = getattr(renderer, "default_cam_config", None) or {}
    lookat, distance = config.get("lookat"), config.get("distance")
    if lookat is not None:
        model.stat.center[:] = lookat
    if distance:
        model.stat.extent = distance / FREE_DISTANCE
    model.vis.global_.elevation = config.get("elevation", model.vis.global_.elevation)
    model.vis.global_.azimuth = config.get("azimuth", model.vis.global_.azimuth)
