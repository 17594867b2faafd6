"""The cameras of a scene as free ones, so that the view does not jump when a viewer begins to rotate it."""

import mujoco
import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.external.scene import outside_scene
from robo_rlhf.sim.rendering.camera import Camera

DEFAULT_CAMERA = "front"
NEAREST = 0.05  # [m] smallest distance of a camera from the point it looks at


def free_cameras(model: mujoco.MjModel, state: Array) -> dict[str, Camera]:
    """Return for each camera of the scene, by its name, a free one that shows nearly the same of `state` (nstate,).

    Cameras on a robot have their pose in that state. Free cameras never roll and have one field of view, that of
    `free_fovy`: where a camera has another, the free one is nearer or farther, which keeps the size of its subject.
    """
    data = mujoco.MjData(model)
    names = camera_names(model)
    mujoco.mj_setState(model, data, np.asarray(state, np.float64), int(mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_forward(model, data)
    found = {name: _free(model, data, i) for i, name in enumerate(names)}
    return found if DEFAULT_CAMERA in names else {DEFAULT_CAMERA: default_camera(model), **found}


def camera_names(model: mujoco.MjModel) -> tuple[str, ...]:
    """Return the names of a scene's cameras; one without a name is called after its number."""
    return tuple(model.camera(i).name or f"camera {i}" for i in range(model.ncam))


def default_camera(model: mujoco.MjModel) -> Camera:
    """Return the free camera that shows all of a scene, which is called `front` where no other is."""
    view = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, view)
    x, y, z = map(float, view.lookat)
    return Camera("", float(view.azimuth), float(view.elevation), float(view.distance), (x, y, z))


def task_cameras(task: str) -> dict[str, Camera]:
    """Return `free_cameras` of a task or an outside environment, by its name, at the start of an episode.

    Raises:
        UnknownNameError: there is no such task.
    """
    if is_outside(task):
        return free_cameras(*outside_scene(task))
    from robo_rlhf.sim.envs.task_env import TaskEnv
    from robo_rlhf.sim.tasks import TASKS

    env = TaskEnv(TASKS[task](), 1, nthread=1)
    env.reset(np.zeros(1, np.int64))
    return free_cameras(env.model, env.get_state()[0])


def free_fovy(model: mujoco.MjModel) -> float:
    """Return the field of view [deg] of free cameras: that of the scene's first fixed camera."""
    still = np.flatnonzero(model.cam_bodyid == 0)
    return float(model.cam_fovy[still[0]] if len(still) else model.vis.global_.fovy)


def _free(model: mujoco.MjModel, data: mujoco.MjData, camera: int) -> Camera:
    place, ahead = data.cam_xpos[camera], -data.cam_xmat[camera].reshape(3, 3)[:, 2]
    depth = _depth(model, data, place, ahead)
    distance = depth * np.tan(np.radians(model.cam_fovy[camera]) / 2) / np.tan(np.radians(free_fovy(model)) / 2)
    x, y, z = (place + depth * ahead).tolist()
    return Camera(
        azimuth=float(np.degrees(np.arctan2(ahead[1], ahead[0]))) if np.hypot(*ahead[:2]) > 1e-6 else _up(data, camera),
        elevation=float(np.degrees(np.arcsin(np.clip(ahead[2], -1, 1)))),
        distance=float(max(distance, NEAREST)),
        lookat=(x, y, z),
    )


def _depth(model: mujoco.MjModel, data: mujoco.MjData, place: Array, ahead: Array) -> float:
    """Return the distance [m] of a camera's subject along its line of sight: the scene's centre, or the first hit."""
    to_centre = model.stat.center - place
    depth = float(to_centre @ ahead)
    if depth > NEAREST and np.linalg.norm(to_centre - depth * ahead) < model.stat.extent / 2:
        return depth
    hit = float(mujoco.mj_ray(model, data, place, ahead, None, 1, -1, np.zeros(1, np.int32)))
    return hit if hit > NEAREST else float(model.stat.extent)


def _up(data: mujoco.MjData, camera: int) -> float:
    """Return the azimuth [deg] of a camera that looks straight down or up: the direction of its image's top."""
    up = data.cam_xmat[camera].reshape(3, 3)[:, 1]
    return float(np.degrees(np.arctan2(up[1], up[0])))
