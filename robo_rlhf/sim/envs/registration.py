"""The Gymnasium ids of the tasks, registered without importing a task, MuJoCo or torch.

A task in a user's own module has one as well, in Gymnasium's own way of naming a module to import first:
`gymnasium.make("my_tasks:robo_rlhf/PressButton-v0")`.
"""

from pathlib import Path

import gymnasium

from robo_rlhf.core import guests

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
    for task in (*task_files(), *filter(str.isidentifier, guests.installed("tasks"))):
        _register(gym_id(task), task)


def register_guest(name: str, reference: str) -> None:
    """Register the Gymnasium id of a task called `name` in a user's own module, which this process has imported.

    Does nothing for tasks of this project, for one in a `__main__` or inside a function, which no name leads to, and
    where the id is taken.
    """
    parts = guests.split(reference)
    if parts and parts[0] != "__main__" and not reference.startswith(f"{NAMESPACE}.") and name.isidentifier():
        guests.is_present(parts[0])
        _register(gym_id(name), reference)


def _register(name: str, task: str) -> None:
    if name not in gymnasium.registry:
        gymnasium.register(
            name,
            entry_point="robo_rlhf.sim.envs.gym_env:GymEnv",
            vector_entry_point="robo_rlhf.sim.envs.gym_vector:GymVectorEnv",
            kwargs={"task": task},
        )
