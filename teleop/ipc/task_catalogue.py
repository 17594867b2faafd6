"""All tasks as JSON, for a program that must not import the simulator: `python -m teleop.ipc.task_catalogue`.

A list of objects, one a task, sorted by name, each with what `describe_task` says.
"""

import json
import sys
from typing import Any

from robo_rlhf.sim.task import Task
from robo_rlhf.sim.tasks import TASKS


def describe_task(task: Task) -> dict[str, Any]:
    """Return the description of a task for a page."""
    model = task.scene().compile()
    return {
        "name": task.name,
        "instruction": task.instruction,
        "horizon": task.horizon,  # steps
        "control_hz": task.control_hz,
        "cameras": [model.camera(index).name for index in range(model.ncam)],
        "action_names": list(task.action_names),
        "obs_names": list(task.obs_names),
        "goals": list(task.goals),
        "style_cost": task.style_cost,
    }


def main() -> int:
    """Print the catalogue."""
    print(json.dumps([describe_task(TASKS[name]()) for name in sorted(TASKS)], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
