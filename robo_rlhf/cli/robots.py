"""The option `--robot` of commands that run a task, and the check of a task's robot before any work."""

import sys
from dataclasses import replace
from typing import TypeVar

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.robots import DEFAULT
from robo_rlhf.sim.tasks import TASKS

C = TypeVar("C")


def choose_robot(command: C) -> C:
    """Return the command with its task and robot as one name, and print what is found in the robot's model.

    Raises:
        InvalidValueError: a robot without a task, for a task that has one of its own, or for an outside environment.
        RoboRlhfError: the robot's model lacks something, or leaves open what is meant.
    """
    robot, field = getattr(command, "robot", ""), "env" if getattr(command, "env", None) else "task"
    task = getattr(command, field, None)
    if robot:
        if task is None:
            raise InvalidValueError("--robot", repr(robot), f"--{field} with it; a policy without brings its own robot")
        if is_outside(str(task)) or "@" in str(task):
            raise InvalidValueError("--robot", repr(robot), f"a native task without a robot, not {task}")
        TASKS.check(str(task))
        if robot == DEFAULT:
            return command
        command = replace(command, **{field: f"{task}@{robot}"})  # type: ignore[type-var]  # it is a dataclass
        task = f"{task}@{robot}"
    if isinstance(task, str) and "@" in task and task in TASKS:
        _print_findings(task)
    return command


def _print_findings(task: str) -> None:
    from robo_rlhf.sim.robot import open_arm

    _ = TASKS[task]  # refuses a task that has a robot of its own
    robot = task.partition("@")[2]
    for line in open_arm(robot).findings:
        print(f"robot {robot}: {line}", file=sys.stderr)
