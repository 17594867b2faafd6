"""Tasks, one file each, registered by name in `TASKS`."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.sim.task import Task

TASKS: "Registry[type[Task]]" = Registry("task", "robo_rlhf.sim.tasks", base="robo_rlhf.sim.task:Task")
