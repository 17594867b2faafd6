"""Style measures: how a task was done, computed from the signals of an episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robo_rlhf.core.types import Array


@dataclass(frozen=True)
class Measure:
    """One style measure: a cost per step, and its aggregation over an episode."""

    unit: str
    signal: str  # the signal it is computed from; episodes without it lack the measure
    series: Callable[[Array, float], Array]  # (T, k) signal, control_dt [s] → (T,)
    reduce: Literal["max", "sum", "min"]
    better: Literal["lower", "higher"]
    scale: float  # value of a step that costs one in the simulated teacher's style cost
    free: float = 0.0  # part of a value that costs nothing, such as the weight of the held object


def _path_increment(position: Array, dt: float) -> Array:
    moved = np.diff(position, axis=0, prepend=position[:1])
    increment: Array = np.sqrt((moved * moved).sum(-1))
    return increment


def _jerk(position: Array, dt: float) -> Array:
    if len(position) < 4:
        return np.zeros(len(position), position.dtype)
    third = np.diff(position, n=3, axis=0) / dt**3
    return np.concatenate([np.zeros(3, third.dtype), np.sqrt((third * third).sum(-1))])


def _column(signal: Array, dt: float) -> Array:
    return signal[:, 0]


MEASURES: dict[str, Measure] = {
    "peak_contact_force": Measure("N", "contact_force", _column, "max", "lower", 5.0, free=2.0),
    "path_length": Measure("m", "ee_pos", _path_increment, "sum", "lower", 0.01),
    "peak_jerk": Measure("m/s³", "ee_pos", _jerk, "max", "lower", 20.0),
    "tilt": Measure("rad", "tilt", _column, "max", "lower", 0.2),
    "clearance": Measure("m", "clearance", _column, "min", "higher", 0.05),
}
WORST = 10.0  # costs are capped at this many scales: one knock does not outweigh the whole episode
_REDUCE: dict[str, Callable[[Array], float]] = {"max": np.max, "sum": np.sum, "min": np.min}


def series(signals: Mapping[str, Array], dt: float) -> dict[str, Array]:
    """Return each measure's value per step, (T,), for every measure whose signal exists. `dt` is control_dt [s]."""
    present = {name: m for name, m in MEASURES.items() if m.signal in signals}
    return {name: m.series(np.asarray(signals[m.signal], np.float64), dt) for name, m in present.items()}


def summarize(signals: Mapping[str, Array], dt: float) -> dict[str, float]:
    """Return one number per measure for an episode (T ≥ 1), in the measure's unit."""
    return {name: float(_REDUCE[MEASURES[name].reduce](values)) for name, values in series(signals, dt).items()}


def cost(signals: Mapping[str, Array], dt: float, name: str) -> Array:
    """Return measure `name` as a cost per step (T,) in [0, WORST], about one at its scale; lower is always better.

    A measure for which larger is better becomes exp(-value / scale).
    """
    measure = MEASURES[name]
    values = series(signals, dt)[name]
    if measure.better == "higher":
        return np.exp(-values / measure.scale)
    return np.clip((values - measure.free) / measure.scale, 0.0, WORST)
