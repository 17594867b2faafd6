"""Tasks, one file each, registered by name in `TASKS`; "pick_place@ROBOT" is one with another robot."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry
from robo_rlhf.sim.robots import ROBOTS

if TYPE_CHECKING:
    from robo_rlhf.sim.task import Task


class Tasks(Registry["type[Task]"]):
    """The tasks by name. The robot is part of the name, so that recordings, policies and clips say which it is."""

    def __getitem__(self, name: str) -> "type[Task]":
        """Return the task called `name`, with the robot that follows the "@", where one does.

        Raises:
            UnknownNameError: there is no such task or robot.
            InvalidValueError: the task has a robot of its own.
        """
        task, sign, robot = name.partition("@")
        found = super().__getitem__(task)
        return found.with_robot(robot) if sign else found

    def __contains__(self, name: object) -> bool:
        """Whether there is such a task, and such a robot; imports nothing."""
        task, sign, robot = str(name).partition("@")
        return super().__contains__(task) and (not sign or robot in ROBOTS)

    def check(self, name: str) -> None:
        """Refuse a name that is not registered, without importing anything.

        Raises:
            UnknownNameError: it is such; the message suggests the nearest name.
            NotAllowedError: it is code of a module that nothing allows.
        """
        task, sign, robot = name.partition("@")
        super().check(task)
        if sign:
            ROBOTS.check(robot)


TASKS = Tasks("task", "robo_rlhf.sim.tasks", base="robo_rlhf.sim.task:Task")
