"""What a session drives, as the page is told: cameras, goals, actions."""

import math
from collections.abc import Iterator

import mujoco
import numpy as np

from robo_rlhf.sim.envs import TaskEnv
from robo_rlhf.types import Array
from teleop.messages import CameraInfo, Goal, Scene

NEAREST = 0.2  # [m] that a camera at least is from what it looks at


def describe_scene(env: TaskEnv, dataset: str) -> Scene:
    """Return the scene of copy 0 of `env`, which is recorded into the dataset of this name."""
    task = env.task
    return Scene(
        task=task.name,
        instruction=task.instruction,
        dataset=dataset,
        action_names=task.action_names,
        cameras=tuple(_cameras(env)),
        goals=goals(env),
        control_dt=env.control_dt,
        horizon=env.horizon,
    )


def goals(env: TaskEnv) -> tuple[Goal, ...]:
    """Return where the goals of copy 0 are, in the world [m]."""
    return tuple(Goal(name, _point(env.sim.mocap_pos(name)[0])) for name in env.task.goals)


def _cameras(env: TaskEnv) -> Iterator[CameraInfo]:
    """Iterate over the scene's cameras, where they are when the world stands as in copy 0."""
    model, data = env.model, env.sim.scratch
    mujoco.mj_setState(model, data, env.get_state()[0], int(mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_forward(model, data)
    for index in range(model.ncam):
        position = data.cam_xpos[index]
        ahead = -data.cam_xmat[index].reshape(3, 3)[:, 2]
        distance = max(float(ahead @ (model.stat.center - position)), NEAREST)
        azimuth, elevation = math.atan2(ahead[1], ahead[0]), math.asin(np.clip(ahead[2], -1.0, 1.0))
        yield CameraInfo(
            name=model.camera(index).name,
            azimuth=math.degrees(azimuth),
            elevation=math.degrees(elevation),
            distance=distance,
            lookat=_point(position + distance * ahead),
        )


def _point(array: Array) -> tuple[float, float, float]:
    x, y, z = map(float, array)
    return x, y, z
