"""Opening a world by its name."""

from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.tasks import TASKS
from teleop.worlds.native import NativeWorld
from teleop.worlds.outside import OutsideWorld

World = NativeWorld | OutsideWorld


def open_world(task: str, num_envs: int) -> World:
    """Return copies of a task or an outside environment, by its name.

    Raises:
        RoboRlhfError: there is none, or it cannot be made.
    """
    if is_outside(task):
        return OutsideWorld(task, num_envs)
    return NativeWorld(TASKS[task](), num_envs, nthread=1)


def open_driven(task: str) -> World:
    """Return one copy of a task or an outside environment for a person to drive, with pictures.

    Raises:
        RoboRlhfError: there is none, or it cannot be made or seen.
    """
    if not is_outside(task):
        return NativeWorld(TASKS[task](), 1, nthread=1)
    world = OutsideWorld(task, 1)
    if not world.has_states:
        world.close()
        world = OutsideWorld(task, 1, render_mode="rgb_array")
    world.be_seen()
    return world
