"""Names of the columns of an episode's observations and actions, and the objects that they are of."""

import re
from collections.abc import Sequence

from robo_rlhf.core.types import EpisodeMeta
from robo_rlhf.sim.tasks import TASKS

SUFFIXES = (  # of columns of an object: where it is from the hand, how fast it moves, its place, how it is turned
    r"d[xyz]",
    r"v[xyz]",
    r"[xy]|z",
    r"cos|sin|yaw|roll|pitch|up|lean_x|lean_y",
)


def object_of(name: str) -> tuple[str, int]:
    """Return the object that a column is of, and the place of its suffix in SUFFIXES; "" and -1 where it is of none."""
    base, _, suffix = name.rpartition("_")
    for place, pattern in enumerate(SUFFIXES):
        if base and re.fullmatch(pattern, suffix):
            return base, place
    return "", -1


def objects(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the columns of each object, by its name: of all whose place from the hand is observed.

    >>> objects(["hand_x", "cube_dx", "cube_z", "grip", "left_glass_dy"])
    {'cube': (1, 2), 'left glass': (4,)}
    """
    parts = [object_of(name) for name in names]
    found = dict.fromkeys(base for base, place in parts if place == 0)
    return {base.replace("_", " "): tuple(i for i, (other, _) in enumerate(parts) if other == base) for base in found}


def column_names(meta: EpisodeMeta, obs_dim: int, act_dim: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of both: those of the task, or of the episode, else numbers."""
    obs, action = meta.obs_names, meta.action_names
    if meta.task in TASKS:
        task = TASKS[meta.task]
        obs, action = task.obs_names, task.action_names
    if len(obs) != obs_dim:
        obs = tuple(f"column {i}" for i in range(obs_dim))
    if len(action) != act_dim:
        action = tuple(f"{i}" for i in range(act_dim))
    return obs, action
