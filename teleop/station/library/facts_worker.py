"""Facts: the figures of an episode that its footer lacks.

The station has them computed in a separate process, so that reading ten thousand episodes takes no time from live
sessions, and so that it needs no MuJoCo.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.schema import SIGNAL, read_columns
from robo_rlhf.data.training_arrays.idle import idle_steps
from teleop.station.background.with_errors import with_errors

BINS = 20  # of an action's range from -1 to 1
LEAST_STEPS = 8  # below, smoothness says nothing
LEAST_SPEED = 1e-3  # [m/s] of the hand at its fastest; below, it did not move


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts of an episode file; keys whose value cannot be known hold None.

    Raises:
        CorruptFileError, VersionError, OSError: it cannot be read.
    """
    columns, header = read_columns(path, ("obs", "action", "success", f"{SIGNAL}ee_pos"))
    action, steps = columns["action"], header.steps
    done = np.flatnonzero(columns["success"])
    position = columns.get(f"{SIGNAL}ee_pos")
    names, actions = _names(header.meta)
    hand, thing, what = start_of(columns["obs"][0], names)
    return {
        "idle": int(idle_steps(action).sum()) if steps else 0,
        "done": int(done[0]) if len(done) else None,
        "smooth": None if position is None else smoothness(position, header.meta.control_dt),
        "hand": hand,
        "object": thing,
        "what": what,
        "actions": [np.histogram(column, BINS, (-1.0, 1.0))[0].tolist() for column in action.T],
        "names": actions if len(actions) == action.shape[1] else [f"action {i + 1}" for i in range(action.shape[1])],
    }


def smoothness(position: Array, dt: float) -> float | None:
    """Return the log dimensionless jerk of a path (T, 3) [m] with a step of `dt` [s]; higher is smoother.

    -ln(D³ / v² ∫ |d³x/dt³|² dt) with the duration D and the peak speed v, as in Balasubramanian et al. 2015, "On the
    analysis of movement smoothness". None where the path is too short, or does not move.
    """
    if len(position) < LEAST_STEPS:
        return None
    path = np.asarray(position, np.float64)
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / dt
    jerk = np.diff(path, n=3, axis=0) / dt**3
    if speed.max() < LEAST_SPEED:
        return None
    cost = ((len(path) - 1) * dt) ** 3 / speed.max() ** 2 * float((jerk**2).sum()) * dt
    return -math.log(cost) if cost > 0 else None


def start_of(obs: Array, names: tuple[str, ...]) -> tuple[list[float] | None, list[float] | None, str]:
    """Return where the hand or the vehicle and the first object began, x and y [m], and the object's name.

    Read off the names of the observations: `hand_x`, or `x`, and the first pair of `NAME_dx` and `NAME_dy`, which is
    where NAME is seen from the hand.
    """
    if len(names) != len(obs):
        return None, None, ""
    value = dict(zip(names, np.asarray(obs, np.float64).tolist(), strict=True))
    x, y = value.get("hand_x", value.get("x")), value.get("hand_y", value.get("y"))
    if x is None or y is None:
        return None, None, ""
    for name in names:
        thing = name.removesuffix("_dx")
        if thing != name and f"{thing}_dy" in value:
            return [x, y], [x + value[name], y + value[f"{thing}_dy"]], thing
    return [x, y], None, ""


def _names(meta: EpisodeMeta) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of observations and actions, of the task or as they were recorded; none where there are none."""
    from robo_rlhf.sim.tasks import TASKS

    if meta.task not in TASKS:
        return meta.obs_names, list(meta.action_names)
    return TASKS[meta.task].obs_names, list(TASKS[meta.task].action_names)


def start() -> Callable[[Path], dict[str, Any]]:
    """Return what answers the path of an episode in the worker process."""
    return with_errors(facts_of)
