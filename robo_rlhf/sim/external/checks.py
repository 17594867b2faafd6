"""Checks of the values that an outside environment returns; no value is converted silently.

A reader accepts unambiguous values (a NumPy bool is a bool, an array of one number is that number) and refuses
everything else with a `Violation`, whose text holds what was given and what was expected. The checks of one step
together take 2 to 3 µs.
"""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array

REAL = frozenset("fiub")  # kinds of NumPy types that hold real numbers
LARGEST = float(np.finfo(np.float32).max)  # rewards and observations are kept as float32
SHORTEST_STEP, LONGEST_STEP = 1e-4, 10.0  # [s] between two actions
SMALLER_STEP = 4.0  # of a `dt` that is shorter by this than the time of a picture, actions are not taken that often
LONGEST_VALUE = 80  # characters of a value that are shown
FLAG = "a bool, 0 or 1"


class Violation(Exception):  # noqa: N818 - part of a sentence about one episode, never shown to a user as an error
    """An invalid value from an environment. The text follows the environment's name: "gave reward nan, ..."."""

    def __init__(self, what: str, given: object, expected: str) -> None:
        """Say `what` was `given` and what was `expected`."""
        super().__init__(f"gave {what} {shown(given)}, expected {expected}")


def fits(values: Array) -> bool:
    """Return whether all of an array of float64 are finite, also as float32."""
    flat = values.reshape(-1)
    return bool(np.vdot(flat, flat) <= LARGEST**2) or bool(np.abs(flat).max() <= LARGEST)  # the first check is faster


def first_bad(row: Array) -> Violation:
    """Return the violation of an observation (size,) for which `fits` is False."""
    column = int(np.flatnonzero(~(np.abs(row) <= LARGEST))[0])
    return Violation(f"an observation with column {column} =", float(row[column]), "finite numbers, as float32")


def reset_of(given: Any) -> Any:
    """Return the observation from the result of `reset`.

    Raises:
        Violation: it gave something else than Gymnasium's pair.
    """
    if not isinstance(given, tuple) or len(given) != 2:
        raise Violation("from reset", given, "a pair (observation, info)")
    return given[0]


def step_of(given: Any) -> tuple[Any, float, bool, bool]:
    """Return the unread observation, the reward, the success and the end from the result of `step`.

    Raises:
        Violation: one of them is not what it may be, or it gave something else than Gymnasium's five.
    """
    if type(given) is not tuple or len(given) != 5:
        raise Violation("from step", given, "five: (observation, reward, terminated, truncated, info)")
    obs, reward, terminated, truncated, info = given
    over = terminated
    if terminated is not True:
        over = flag(truncated, "truncated")
        if terminated is not False:
            over |= flag(terminated, "terminated")
    return obs, reward_of(reward), success_of(info), over


def reward_of(value: Any) -> float:
    """Return a reward.

    Raises:
        Violation: it is not one finite real number that float32 can hold.
    """
    number = value if isinstance(value, float) else _number(value)
    if number is None or not abs(number) <= LARGEST:
        raise Violation("reward", value, "a finite real number")
    return number


def flag(value: Any, what: str) -> bool:
    """Return a Boolean: a bool, 0, 1 or an array of one of these.

    Raises:
        Violation: it is something else.
    """
    if value is True or value is False:
        return value
    number = _number(value)
    if number not in (0.0, 1.0):
        raise Violation(what, value, FLAG)
    return bool(number)


def success_of(info: Any) -> bool:
    """Return the success that `info` reports: under "success", or else "is_success"; False where neither is present.

    A dictionary with an entry "task", as robomimic's environments give, or with a single entry is read as that entry.

    Raises:
        Violation: the value is not a Boolean.
    """
    if type(info) is not dict and not isinstance(info, Mapping):
        raise Violation("info", info, "a dictionary")
    value = info.get("success")
    if value is None:
        value = info.get("is_success")
    if value is None:
        return False
    if isinstance(value, Mapping):
        inner = value["task"] if "task" in value else next(iter(value.values())) if len(value) == 1 else value
        return flag(inner, "success")
    return flag(value, "success")


def picture_of(frame: Any, size: tuple[int, ...] | None) -> Array:
    """Return an image (H, W, 3) uint8, of the same `size` as the one before.

    Raises:
        Violation: it is something else.
    """
    if frame is None:
        raise Violation("a picture", None, "uint8 (height, width, 3) from render mode 'rgb_array'")
    picture = np.asarray(frame)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        given = f"{picture.dtype} {picture.shape}"
        raise Violation("a picture of", Plain(given), "uint8 (height, width, 3) from render mode 'rgb_array'")
    if size is not None and picture.shape != size:
        raise Violation("a picture of", picture.shape, f"{size} as before")
    return picture


def time_step(env: gymnasium.Env[Any, Any], name: str) -> float:
    """Return the time between two actions [s]: from the environment, else from its render rate.

    A `dt` far below the time of a picture is that of a smaller step, as PushT's: then the render rate counts.

    Raises:
        InvalidValueError: the time is outside its range.
    """
    dt, fps = getattr(env.unwrapped, "dt", None), env.metadata.get("render_fps")
    own = isinstance(dt, int | float | np.number) and not isinstance(dt, bool)  # else it means something else
    given, what = (dt, "dt") if own else (20 if fps is None else fps, "render_fps")
    rate, step = _number(fps), _number(dt) if own else None
    if rate and step and 0 < SMALLER_STEP * step < 1.0 / rate <= LONGEST_STEP:
        own, given, what = False, fps, "render_fps"
    number = _number(given)
    seconds = number if own else 1.0 / number if number else number
    if seconds is None or not SHORTEST_STEP <= seconds <= LONGEST_STEP:
        expected = f"{SHORTEST_STEP:g} to {LONGEST_STEP:g} s from one action to the next"
        raise InvalidValueError(f"time step of {name}", f"{what} = {shown(given)}", expected)
    return float(seconds)


def raised(doing: str, error: Exception) -> str:
    """Return a text, to follow the environment's name, that it raised `error`, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message = " ".join(str(error).split())
    if not message and isinstance(error, AssertionError) and frames:
        message = frames[-1].line or ""  # what was asserted
    return f"raised {type(error).__name__} in {doing}{where}{f': {message[:200]}' if message else ''}"


class Plain(str):
    """Text that is shown as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return it without quotes."""
        return str(self)


def shown(value: object) -> str:
    """Return a value in one short line."""
    try:
        text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    except Exception:  # a value from an environment may fail to print
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _number(value: Any) -> float | None:
    """Return the one real number that a value is, or an array of one is; None where it is none."""
    if isinstance(value, bool | int | float | np.number | np.bool_) or hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
            return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in REAL else None
        except Exception:  # an integer of a thousand digits, an unconvertible array
            return None
    return None
