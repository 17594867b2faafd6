"""The scene of a session, as sent to the page: cameras, goals, actions."""

from collections.abc import Iterator

from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.scene_cameras import free_cameras, free_fovy
from teleop.ipc.messages import CameraInfo, Goal, Scene


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
        fovy=free_fovy(env.model),
        control_dt=env.control_dt,
        horizon=env.horizon,
    )


def goals(env: TaskEnv) -> tuple[Goal, ...]:
    """Return where the goals of copy 0 are, in the world [m]."""
    return tuple(Goal(name, _point(env.sim.mocap_pos(name)[0])) for name in env.task.goals)


def _cameras(env: TaskEnv) -> Iterator[CameraInfo]:
    """Iterate over the scene's cameras, from the state of copy 0."""
    for name, camera in free_cameras(env.model, env.get_state()[0]).items():
        assert camera.lookat is not None
        yield CameraInfo(name, camera.azimuth, camera.elevation, camera.distance, camera.lookat)


def _point(array: Array) -> tuple[float, float, float]:
    x, y, z = map(float, array)
    return x, y, z
