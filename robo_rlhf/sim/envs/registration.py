"""The Gymnasium ids of the tasks, registered without importing a task, MuJoCo or torch."""

from pathlib import Path

import gymnasium

NAMESPACE = "robo_rlhf"
TASKS = Path(__file__).parents[1] / "tasks"  # one file a task


def gym_id(task: str) -> str:
    """Return the Gymnasium id of a task.

    >>> gym_id("pick_place")
    'robo_rlhf/PickPlace-v0'
    """
    return f"{NAMESPACE}/{''.join(word.capitalize() for word in task.split('_'))}-v0"


def task_files() -> dict[str, Path]:
    """Return the file of every task by the task's name, sorted."""
    return {path.stem: path for path in sorted(TASKS.glob("*.py")) if path.stem != "__init__"}


def register_tasks() -> None:
    """Register the Gymnasium id of every task; does nothing where that is done already."""
    for task in task_files():
        if gym_id(task) not in gymnasium.registry:
            gymnasium.register(
                gym_id(task),
                entry_point="robo_rlhf.sim.envs.gym_env:GymEnv",
                vector_entry_point="robo_rlhf.sim.envs.gym_vector:GymVectorEnv",
                kwargs={"task": task},
            )
