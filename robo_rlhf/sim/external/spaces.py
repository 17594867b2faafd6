"""Observations and actions of outside environments as columns with names.

Spaces may be boxes, choices (`Discrete`, `MultiDiscrete`, `MultiBinary`), and dictionaries and tuples of these. Columns
follow each other by name, and are named after their place: "goal[2]", "robot.arm[0]". A choice of n things is n
columns: in an observation the one that holds is 1 and the others 0; in an action the largest chooses, and is applied as
1 with the others -1. A picture is no row of columns but a camera, called after its place, or "pixels" where it is all
that is observed: what policies see of it, they see with --cameras. One that is no uint8 (height, width, 3) is refused.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external.checks import REAL, Plain, Violation, first_bad, fits
from robo_rlhf.sim.external.controls import ActionColumn

PICTURE = "uint8 (height, width, 3), from 0 to 255"
SOLE = "pixels"  # the camera of an observation that is one picture
CHANNELS = (1, 3, 4)  # of a picture
LEAST_SIDE = 16  # [pixels] from which on three axes of numbers are a picture
CHOICE = "--env-arg obs_type=state or --env-arg obs_type=pixels_agent_pos"  # of observations; both are widespread
Key = str | int  # of a dictionary, or the place in a tuple
Command = Any  # an action as an environment takes it
KINDS = "boxes, Discrete, MultiDiscrete, MultiBinary, or dictionaries and tuples of them"


class Leaf(NamedTuple):
    """A part of a space that holds no others, and its columns."""

    keys: tuple[Key, ...]
    space: Box | Discrete | MultiDiscrete | MultiBinary
    start: int  # first column
    stop: int
    names: tuple[str, ...]

    @property
    def choices(self) -> tuple[int, ...]:
        """How many things each of its choices is among; empty for a box."""
        return _choices(self.space)


class Observations:
    """Reads observations of one space as rows of float32."""

    def __init__(self, space: Space[Any], what: str, *, blind: bool = False) -> None:
        """Prepare for `space`, which `what` names in errors; in one that is `blind`, pictures are not drawn.

        Raises:
            InvalidValueError: it holds nothing but pictures that are no camera, or nothing at all.
        """
        parts = list(_walk(space, what, ()))
        pictures = {".".join(map(str, keys)) or SOLE: (keys, leaf) for keys, leaf in parts if is_picture(leaf)}
        self.cameras = {
            name: "not drawn" if blind else _why_no_camera(leaf) for name, (_, leaf) in pictures.items()
        }  # name → why it is none
        if pictures and len(pictures) == len(parts) and all(self.cameras.values()):
            name, (keys, _) = next(iter(pictures.items()))
            expected = f"a picture of {PICTURE}, or columns: choose others, such as with {CHOICE}"
            raise InvalidValueError(f"{what}{_path(keys)}", self.cameras[name], expected)
        self._leaves = _leaves([(keys, leaf) for keys, leaf in parts if not is_picture(leaf)], "obs")
        self._pictures = {name: found for name, found in pictures.items() if not self.cameras[name]}
        self.size = self._leaves[-1].stop if self._leaves else 0  # columns
        self.names = tuple(name for leaf in self._leaves for name in leaf.names)
        if not self.size and not pictures:
            raise InvalidValueError(what, str(space), "one that holds at least one number")

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The shapes (H, W, 3) of the cameras' pictures."""
        return {name: tuple(space.shape or ()) for name, (_, space) in self._pictures.items()}

    def read(self, obs: Any, row: Array) -> None:
        """Write an observation into `row` (size,) float64. Whether its numbers are finite: see `fits`.

        Raises:
            Violation: an entry is missing, has another shape, or does not hold real numbers.
        """
        for leaf in self._leaves:
            part = _part_of(obs, leaf.keys) if leaf.keys else obs
            if type(part) is not np.ndarray:
                part = _array(part)
            shape = leaf.space.shape or ()
            if part.shape != shape or part.dtype.kind not in REAL:
                given = Plain(f"{part.dtype} {part.shape}")
                raise Violation(f"an observation{_path(leaf.keys)} of", given, f"real numbers, shape {shape}")
            if leaf.choices:
                row[leaf.start : leaf.stop] = _held(part, leaf)
            elif len(shape) == 1 and leaf.stop - leaf.start == len(row):
                row[:] = part
            else:
                row[leaf.start : leaf.stop] = part.reshape(-1)

    def pictures(self, obs: Any) -> dict[str, Array]:
        """Return the pictures (H, W, 3) uint8 of an observation, by camera; not copies.

        Raises:
            Violation: one is missing, or of another size or type than its space says.
        """
        found = {}
        for name, (keys, space) in self._pictures.items():
            picture = _array(_part_of(obs, keys) if keys else obs)
            if picture.shape != space.shape or picture.dtype != np.uint8:
                given = Plain(f"{picture.dtype} {picture.shape}")
                raise Violation(f"a picture{_path(keys)} of", given, f"uint8 {space.shape}, as its space says")
            found[name] = picture
        return found

    def row(self, obs: Any) -> Array:
        """Return an observation as (size,) float32; raises as `read`, and where a number is not finite."""
        row = np.zeros(self.size)
        self.read(obs, row)
        if not fits(row):
            raise first_bad(row)
        return row.astype(np.float32)


class Actions:
    """Turns rows of columns in [-1, 1] into the actions of one space."""

    def __init__(self, space: Space[Any], name: str) -> None:
        """Prepare for the action space of the environment `name`.

        Raises:
            InvalidValueError: no such space, a box without finite bounds, or no action could do anything.
        """
        what = f"action space of {name}"
        self.space, self._leaves = space, leaves(space, what, "action")
        self.size = self._leaves[-1].stop if self._leaves else 0  # columns
        self.names = tuple(name for leaf in self._leaves for name in leaf.names)
        still = [_check_bounds(leaf, what) for leaf in self._leaves]
        self.still = [column for columns in still for column in columns]  # those whose two bounds are equal
        if not self.size or len(self.still) == self.size:
            raise InvalidValueError(what, _why_still(space, self.still), "bounds that leave room to act")
        self._chooses = any(leaf.choices for leaf in self._leaves)

    def columns(self, names: Sequence[str]) -> list[ActionColumn]:
        """Return the columns, called `names`: their kind, and where they rest: at 0 of a box that holds it."""
        found: list[ActionColumn] = []
        for leaf in self._leaves:
            if leaf.choices:
                begins = {start for start, _ in _groups(leaf)}
                choices = range(leaf.start, leaf.stop)
                found += [ActionColumn(names[i], "choice", first=i in begins) for i in choices]
            else:
                found += [ActionColumn(names[leaf.start + i], rest=rest) for i, rest in enumerate(_zeros(leaf.space))]
        return found

    def applied(self, action: Array) -> Array:
        """Return actions (n, size) in [-1, 1] as they are applied: of a choice, 1 for what is chosen and -1 else."""
        if not self._chooses:
            return action
        action = action.copy()
        for leaf in self._leaves:
            for start, stop in _groups(leaf):
                chosen = action[:, start:stop].argmax(axis=1)
                action[:, start:stop] = -1.0
                action[np.arange(len(action)), start + chosen] = 1.0
        return action

    def commands(self, action: Array) -> "Array | list[Command]":
        """Return the environment's actions for rows (n, size) in [-1, 1]; boxes are scaled to their bounds."""
        parts = [_commands(leaf, action[:, leaf.start : leaf.stop]) for leaf in self._leaves]
        if len(self._leaves) == 1 and not self._leaves[0].keys:
            return parts[0]
        keyed = [dict(zip((leaf.keys for leaf in self._leaves), row, strict=True)) for row in zip(*parts, strict=True)]
        return [_built(self.space, (), row) for row in keyed]


def leaves(space: Space[Any], what: str, root: str) -> list[Leaf]:
    """Return the parts of a space that hold no others, in the order of their columns.

    Raises:
        InvalidValueError: one of another kind; `what` names it.
    """
    return _leaves(_walk(space, what, ()), root)


def _leaves(parts: Iterable[tuple[tuple[Key, ...], Any]], root: str) -> list[Leaf]:
    found: list[Leaf] = []
    for keys, leaf in parts:
        start = found[-1].stop if found else 0
        names = _names(leaf, ".".join(map(str, keys)) or root)
        found.append(Leaf(keys, leaf, start, start + len(names), names))
    return found


def is_picture(space: Space[Any]) -> bool:
    """Whether a space is that of a picture: bytes along two or three axes, or three axes of which one are channels."""
    shape = space.shape
    if not isinstance(space, Box) or shape is None or len(shape) not in (2, 3):
        return False
    sides = shape if len(shape) == 2 else shape[:2] if shape[2] in CHANNELS else shape[1:]
    channels = len(shape) == 3 and (shape[2] in CHANNELS or shape[0] in CHANNELS)
    return min(sides) >= LEAST_SIDE and (space.dtype == np.uint8 or channels)


def _why_no_camera(space: Any) -> str:
    """Return what a picture is that no camera gives; empty where it is uint8 (height, width, 3)."""
    shape, given = space.shape, f"{space.dtype} {space.shape}"
    if len(shape) == 2 or 1 in (shape[0], shape[2]):
        return f"{given}, one channel: depth, or grey"
    if shape[2] != 3:
        return f"{given}, channels first" if shape[0] in CHANNELS else f"{given}, {shape[2]} channels"
    return "" if space.dtype == np.uint8 else f"{given}, not bytes"


def _walk(space: Space[Any], what: str, keys: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Any]]:
    if isinstance(space, Dict):
        for key in sorted(space):
            yield from _walk(space[key], f"{what}[{key!r}]", (*keys, key))
    elif isinstance(space, Tuple):
        for place, inner in enumerate(space):
            yield from _walk(inner, f"{what}[{place}]", (*keys, place))
    elif isinstance(space, Box | Discrete | MultiDiscrete | MultiBinary):
        yield keys, space
    else:
        raise InvalidValueError(what, str(space), KINDS)


def _names(space: Any, name: str) -> tuple[str, ...]:
    """Return one name for each column of a part that is called `name`."""
    if isinstance(space, Discrete):
        return tuple(f"{name}={space.start + i}" for i in range(int(space.n)))
    if not space.shape:
        return (name,)
    if isinstance(space, Box) and math.prod(space.shape) == 1:
        return (name,)
    places = [f"{name}[{','.join(map(str, place))}]" for place in product(*map(range, space.shape))]
    if isinstance(space, Box):
        return tuple(places)
    starts = np.zeros(space.shape, int) if isinstance(space, MultiBinary) else space.start
    pairs = zip(places, _choices(space), np.ravel(starts).tolist(), strict=True)
    return tuple(f"{place}={first + i}" for place, count, first in pairs for i in range(count))


def _choices(space: Any) -> tuple[int, ...]:
    if isinstance(space, Discrete):
        return (int(space.n),)
    if isinstance(space, MultiDiscrete):
        return tuple(np.ravel(space.nvec).tolist())
    if isinstance(space, MultiBinary):
        return (2,) * math.prod(space.shape)
    return ()


def _groups(leaf: Leaf) -> Iterator[tuple[int, int]]:
    """Yield the first and last + 1 column of each choice."""
    start = leaf.start
    for count in leaf.choices:
        yield start, start + count
        start += count


def _first(leaf: Leaf) -> Array:
    """Return the number of the first thing of each choice."""
    if isinstance(leaf.space, MultiBinary):
        return np.zeros(len(leaf.choices), np.int64)
    return np.ravel(np.asarray(leaf.space.start, np.int64))  # type: ignore[union-attr]  # boxes make no choices


def _held(part: Array, leaf: Leaf) -> Array:
    """Return the columns of a part that makes choices.

    Raises:
        Violation: it is none of the things to choose among.
    """
    chosen = part.reshape(-1) - _first(leaf)
    columns = np.zeros(leaf.stop - leaf.start)
    for (start, stop), choice in zip(_groups(leaf), chosen.tolist(), strict=True):
        if choice != int(choice) or not 0 <= choice < stop - start:
            raise Violation(f"an observation{_path(leaf.keys)} of", part.tolist(), f"one of {leaf.space}")
        columns[start - leaf.start + int(choice)] = 1.0
    return columns


def _commands(leaf: Leaf, action: Array) -> "Array | list[Command]":
    """Return the actions of one part for its columns (n, k)."""
    if isinstance(leaf.space, Box):
        scaled = scale(leaf.space, action)
        return scaled if leaf.space.shape else [np.asarray(number) for number in scaled]
    chosen = [action[:, a - leaf.start : b - leaf.start].argmax(axis=1) for a, b in _groups(leaf)]
    numbers = np.stack(chosen, axis=1) + _first(leaf)
    if isinstance(leaf.space, Discrete):
        return [leaf.space.dtype.type(number) for number in numbers[:, 0]]
    shaped = numbers.reshape(-1, *(leaf.space.shape or ()))
    typed: Array = shaped.astype(leaf.space.dtype)
    return typed


def scale(box: Box, action: Array) -> Array:
    """Map actions (n, act_dim) in [-1, 1] to the bounds of `box`, as (n, *box.shape)."""
    low, high = box.low.astype(np.float64).reshape(-1), box.high.astype(np.float64).reshape(-1)
    inside = np.clip(low + (action.astype(np.float64) + 1.0) * (0.5 * (high - low)), low, high)
    return inside.reshape(-1, *box.shape).astype(box.dtype)


def _zeros(space: Any) -> list[float]:
    """Return where 0 of each number of a box is in [-1, 1]; 0, the middle, where the box does not hold it."""
    low, high = space.low.reshape(-1).astype(np.float64), space.high.reshape(-1).astype(np.float64)
    holds = (low <= 0) & (high >= 0) & (high > low)
    width = np.where(high > low, high - low, 1.0)
    return [float(rest) for rest in np.where(holds, -2 * low / width - 1, 0.0)]


def _check_bounds(leaf: Leaf, what: str) -> list[int]:
    """Return the columns of a part whose two bounds are equal.

    Raises:
        InvalidValueError: it is a box of other numbers than floating-point ones, or has no finite bounds.
    """
    space = leaf.space
    if not isinstance(space, Box):
        counts = zip(_groups(leaf), leaf.choices, strict=True)
        return [start for (start, _), count in counts if count == 1]
    what, wanted = f"{what}{_path(leaf.keys)}", "a Box of floating-point numbers with finite bounds"
    if not (np.issubdtype(space.dtype, np.floating) and space.is_bounded()):
        raise InvalidValueError(what, str(space), wanted)
    low, high = space.low.reshape(-1), space.high.reshape(-1)
    with np.errstate(over="ignore"):
        width = high - low
    if not width.size or not np.isfinite(width).all() or (width < 0).any():
        raise InvalidValueError(what, str(space), f"{wanted}, the lower one first, whose difference is finite too")
    return [leaf.start + int(column) for column in np.flatnonzero(width == 0)]


def _why_still(space: Space[Any], columns: list[int]) -> str:
    if not isinstance(space, Box):
        return str(space)
    low = space.low.reshape(-1)
    listed = f"action {columns[0]}"
    if len(columns) > 1:
        listed = f"actions {', '.join(map(str, columns[:-1]))} and {columns[-1]}"
    hint = "; a MuJoCo model that names no ctrlrange has such bounds" if not low.any() else ""
    return f"bounds without width: {listed} can only be {', '.join(f'{x:g}' for x in np.unique(low))}{hint}"


def _built(space: Space[Any], keys: tuple[Key, ...], parts: Mapping[tuple[Key, ...], Command]) -> Command:
    """Return an action of a space from those of its parts."""
    if isinstance(space, Dict):
        return {key: _built(space[key], (*keys, key), parts) for key in space}
    if isinstance(space, Tuple):
        return tuple(_built(inner, (*keys, place), parts) for place, inner in enumerate(space))
    return parts[keys]


def _part_of(obs: Any, keys: tuple[Key, ...]) -> Any:
    """Return the part of an observation.

    Raises:
        Violation: there is no such entry.
    """
    part = obs
    for key in keys:
        if isinstance(key, int):
            if not isinstance(part, tuple | list) or key >= len(part):
                raise Violation("an observation", part, f"a tuple with an entry {key}")
        elif not isinstance(part, Mapping) or key not in part:
            entries = sorted(map(str, part)) if isinstance(part, Mapping) else part
            raise Violation("an observation with", entries, f"an entry {key!r}")
        part = part[key]
    return part


def _path(keys: tuple[Key, ...]) -> str:
    return "".join(f"[{key!r}]" for key in keys)


def _array(value: Any) -> Array:
    try:
        return np.asarray(value)
    except Exception as error:  # lists of several lengths, an object that refuses
        raise Violation("an observation", value, "an array of real numbers") from error
