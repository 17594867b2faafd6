"""What an episode holds over time, as the player plots it under its timeline."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.schema import SIGNAL, read_columns
from robo_rlhf.sim.envs import registration

MOST = 1200  # points of a curve; longer episodes show every second, third, ... step
FORCE = "contact_force"
BASE = Path(registration.__file__).parents[1] / "task.py"  # of all tasks


def signals_of(path: Path) -> dict[str, Any]:
    """Return the curves of an episode file: rows with a title, a unit and lines of a name and values, one a step shown.

    Raises:
        CorruptFileError, VersionError: it cannot be read.
        FileNotFoundError: it is not there.
    """
    columns, header = read_columns(path, ("action", "reward", f"{SIGNAL}{FORCE}"))
    action, every = columns["action"], max(1, -(-header.steps // MOST))
    names = names_of(header.meta, action.shape[1])
    moves = [(name, action[:, i]) for i, name in enumerate(names) if name != "gripper"]
    grip = [(name, action[:, i]) for i, name in enumerate(names) if name == "gripper"]
    force = columns.get(f"{SIGNAL}{FORCE}")
    pushed = [] if force is None else [("contact", np.linalg.norm(force.reshape(len(force), -1), axis=1))]
    rows = [
        ("Action", "", moves, (-1.0, 1.0)),
        ("Gripper", "", grip, (-1.0, 1.0)),
        ("Force", "N", pushed, None),
        ("Reward", "", [("task", columns["reward"])], None),
    ]
    return {"every": every, "rows": [_row(*row, every) for row in rows if row[2] and header.steps]}


def _row(
    title: str, unit: str, lines: list[tuple[str, Array]], span: tuple[float, float] | None, every: int
) -> dict[str, Any]:
    shown = [(name, np.nan_to_num(np.asarray(values, np.float64)[::every])) for name, values in lines]
    low, high = span or (min(float(v.min()) for _, v in shown), max(float(v.max()) for _, v in shown))
    drawn = [{"name": name, "values": np.round(values, 4).tolist()} for name, values in shown]
    return {"title": title, "unit": unit, "low": low, "high": high, "lines": drawn}


def names_of(meta: EpisodeMeta, count: int) -> list[str]:
    """Return the names of the columns of an action, as recorded or as its task says; else their numbers."""
    found = meta.action_names or _written(meta.task.partition("@")[0])
    return list(found) if len(found) == count else [f"action {i + 1}" for i in range(count)]


@cache
def _written(task: str) -> tuple[str, ...]:
    """Return the `action_names` that the file of a task gives, without running it; else those of all tasks."""
    for path in filter(None, (registration.task_files().get(task), BASE)):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.AnnAssign)
                and ast.unparse(node.target) == "action_names"
                and node.value is not None
            ):
                return tuple(ast.literal_eval(node.value))
    return ()
