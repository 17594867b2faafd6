"""The scene of a session, as sent to the page: cameras, goals, actions."""

from collections.abc import Iterator

from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.controls import ColumnControl
from teleop.ipc.messages import CameraInfo, Goal, Scene
from teleop.worlds.opening import World, conditions_of


def describe_scene(env: World, dataset: str, controls: tuple[ColumnControl, ...]) -> Scene:
    """Return the scene of copy 0 of `env`, which is recorded into the dataset of this name and driven by `controls`."""
    return Scene(
        task=env.name,
        instruction=env.instruction,
        dataset=dataset,
        action_names=env.action_names,
        cameras=tuple(_cameras(env)),
        goals=goals(env),
        fovy=env.fovy,
        control_dt=env.control_dt,
        horizon=env.horizon,
        controls=controls,
        conditions=str(conditions_of(env)),
    )


def goals(env: World) -> tuple[Goal, ...]:
    """Return where the goals of copy 0 are, in the world [m]."""
    return tuple(Goal(name, _point(place)) for name, place in env.goals().items())


def _cameras(env: World) -> Iterator[CameraInfo]:
    """Iterate over the scene's cameras, from the state of copy 0."""
    for name, camera in env.cameras().items():
        assert camera.lookat is not None
        yield CameraInfo(name, camera.azimuth, camera.elevation, camera.distance, camera.lookat)


def _point(array: Array) -> tuple[float, float, float]:
    x, y, z = map(float, array)
    return x, y, z
