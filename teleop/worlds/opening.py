"""Opening a world by its name."""

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.envs.conditions import Conditions
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.tasks import TASKS
from teleop.worlds.conditioned import ConditionedWorld
from teleop.worlds.native import NativeWorld
from teleop.worlds.outside import OutsideWorld

World = NativeWorld | ConditionedWorld | OutsideWorld
NONE = Conditions()


def open_world(task: str, num_envs: int, conditions: Conditions = NONE) -> World:
    """Return copies of a task or an outside environment, by its name, under `conditions`.

    Raises:
        RoboRlhfError: there is none, it cannot be made, or conditions of an outside environment are asked for.
    """
    if not is_outside(task):
        world = NativeWorld(TASKS[task](), num_envs, nthread=1)
        return ConditionedWorld(world, conditions) if conditions else world
    if conditions:
        raise InvalidValueError("conditions of an environment", task, "a native task")
    return OutsideWorld(task, num_envs)


def conditions_of(world: World) -> Conditions:
    """Return the conditions that a world is under."""
    return world.conditions if isinstance(world, ConditionedWorld) else NONE


def open_driven(task: str, conditions: Conditions = NONE) -> World:
    """Return one copy of a task or an outside environment for a person to drive, with pictures.

    Raises:
        RoboRlhfError: as `open_world`, or it cannot be seen.
    """
    world = open_world(task, 1, conditions)
    if not isinstance(world, OutsideWorld):
        return world
    if not world.has_states:
        world.close()
        world = OutsideWorld(task, 1, render_mode="rgb_array")
    world.be_seen()
    return world
