"""Tasks, one file each, found by name in `TASKS`."""

from robo_rlhf.registry import Registry
from robo_rlhf.sim.tasks.base import Task

TASKS: Registry[type[Task]] = Registry("task", "robo_rlhf.sim.tasks")
