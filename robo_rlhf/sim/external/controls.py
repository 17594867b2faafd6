"""What drives each column of an action: a direction of the operator's hand, the gripper, a pair of keys.

A control joins a column with a source. A pose (x y z roll pitch yaw) is in the world and turns with the view; `joint1`,
`joint2`, ... are pairs of keys, six at a time. Of the columns of a choice the one that is pushed farthest is chosen.
Known collections have conventions; where none fits, each column has a pair of keys.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from robo_rlhf.core.errors import InvalidValueError

POSE = ("x", "y", "z", "roll", "pitch", "yaw")
OWN_FRAME = ("forward", "turn")  # of a rover
GRIPPER, JOINT = "gripper", "joint"
REST = "rest"  # in a text of controls: the choice that holds while nothing is pushed
AT_ONCE = 6  # joints that have a pair of keys at the same time
FORM = "SOURCE=COLUMN, ..., such as x=0,y=1,z=2,gripper=3: sources x y z roll pitch yaw forward turn gripper joint1 ..."

Kind = Literal["rate", "target", "choice"]


@dataclass(frozen=True)
class ColumnControl:
    """What drives one column of an action."""

    column: str  # its name
    source: str  # part of the input; "": nothing, it rests
    sign: int = 1
    scale: float = 1.0  # share of its way that a full input moves it
    dead_zone: float = 0.0  # inputs up to this do nothing
    kind: Kind = "rate"  # target: the input moves a position, which stays; choice: it is chosen or not
    rest: float = 0.0  # in [-1, 1], while nothing is pushed; of a choice: above 0 where it holds meanwhile

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidValueError: no such source, or a number outside its range.
        """
        if self.source and part_of(self.source) is None:
            raise InvalidValueError(f"control of column {self.column}", repr(self.source), FORM)
        for name, value, low, high in (
            ("scale", self.scale, 0.0, 1.0),
            ("dead zone", self.dead_zone, 0.0, 0.99),
            ("rest", self.rest, -1.0, 1.0),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise InvalidValueError(f"{name} of column {self.column}", f"{value:g}", f"{low:g} to {high:g}")
        if self.sign not in (1, -1):
            raise InvalidValueError(f"sign of column {self.column}", f"{self.sign:g}", "1 or -1")


class ActionColumn(NamedTuple):
    """A column of an action, as its environment has it."""

    name: str
    kind: Kind = "rate"
    rest: float = 0.0
    first: bool = False  # of a choice: whether another choice begins here


def part_of(source: str) -> tuple[int, int] | None:
    """Return part of the twist and bank of keys of a source, (-1, 0) of the gripper; None where it is no source.

    >>> part_of("z"), part_of("gripper"), part_of("joint8")
    ((2, 0), (-1, 0), (1, 1))
    """
    if source == GRIPPER:
        return -1, 0
    if source in POSE:
        return POSE.index(source), 0
    if source in OWN_FRAME:
        return (0, 5)[OWN_FRAME.index(source)], 0
    number = source.removeprefix(JOINT)
    if number == source or not number.isdecimal() or not 1 <= int(number) <= 600:
        return None
    return (int(number) - 1) % AT_ONCE, (int(number) - 1) // AT_ONCE


def banks(controls: Sequence[ColumnControl]) -> int:
    """Return how many banks of keys some controls need, at least 1."""
    return 1 + max((part[1] for one in controls if (part := part_of(one.source))), default=0)


class Convention(NamedTuple):
    """How a collection lays out its actions."""

    begins: str  # how the names of its environments begin
    sources: tuple[str, ...]
    closes: int = 1  # sign of the gripper's column that closes it
    kind: Kind = "rate"
    scale: float = 1.0  # of the hand's columns: a full action may be more than a hand can follow


HAND = ("x", "y", "z", GRIPPER)
WHOLE_HAND = (*POSE, GRIPPER)
CONVENTIONS = (
    Convention("Meta-World/", HAND),
    Convention("Fetch", HAND, closes=-1),  # gymnasium-robotics: the fingers' distance
    Convention("gym_hil/", WHOLE_HAND, scale=0.03),  # up to 1 m a step
    Convention("gym_pusht/", ("x", "y"), kind="target"),  # where the tip is to go
)
BY_WIDTH = {  # of columns that have no names of their own, as robosuite's controllers
    2: ("x", "y"),
    3: ("x", "y", "z"),
    4: HAND,
    6: POSE,
    7: WHOLE_HAND,
}
CHOICES = (("joint2", 1), ("joint2", -1), ("joint1", 1), ("joint1", -1), ("joint3", 1), ("joint3", -1),
           ("joint6", 1), ("joint6", -1), ("joint5", 1), ("joint5", -1), ("joint4", 1), ("joint4", -1))  # fmt: skip


def usual_controls(task: str, columns: Sequence[ActionColumn]) -> tuple[ColumnControl, ...]:
    """Return the controls that a task or environment has until they are changed."""
    choices = [column for column in columns if column.kind == "choice"]
    if choices:
        return _choosing(columns)
    known = {GRIPPER, *POSE, *OWN_FRAME}
    if all(column.name in known for column in columns):
        return tuple(ColumnControl(column.name, column.name, rest=column.rest) for column in columns)
    convention = _convention(task, columns)
    if convention is None:
        return tuple(
            ColumnControl(column.name, f"{JOINT}{1 + i}", kind=column.kind, rest=column.rest)
            for i, column in enumerate(columns)
        )
    return tuple(
        ColumnControl(
            column.name,
            source,
            convention.closes if source == GRIPPER else 1,
            scale=1.0 if source == GRIPPER else convention.scale,
            kind="rate" if source == GRIPPER else convention.kind,
            rest=0.0 if source == GRIPPER else column.rest,
        )
        for column, source in zip(columns, convention.sources, strict=True)
    )


def parse_controls(text: str, usual: Sequence[ColumnControl]) -> tuple[ColumnControl, ...]:
    """Return controls as a command line gives them, such as "x=0,y=1,z=2,gripper=3", over the `usual` ones.

    A column is named or numbered; "-gripper=3" is the other direction. Columns that are not named rest.

    Raises:
        InvalidValueError: another form, no such column or source, or a column that is named twice.
    """
    names = [one.column for one in usual]
    found: dict[int, ColumnControl] = {}
    for part in text.split(","):
        source, sign, named = (piece.strip() for piece in part.partition("="))
        column = names.index(named) if named in names else int(named) if named.isdecimal() else -1
        if not sign or not 0 <= column < len(names):
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
            raise InvalidValueError("--controls", repr(part), f"{FORM}; the columns are {listed}")
        kind = usual[column].kind
        if source == REST:
            found[column] = _resting(found.get(column, usual[column]))
            continue
        if column in found:
            raise InvalidValueError("--controls", f"column {names[column]} twice", "each column once")
        direction = -1 if source.startswith("-") else 1
        found[column] = ColumnControl(names[column], source.lstrip("+-"), direction, kind=kind, rest=usual[column].rest)
    return tuple(
        found.get(i, ColumnControl(one.column, "", kind=one.kind, rest=one.rest)) for i, one in enumerate(usual)
    )


def check_columns(controls: Sequence[ColumnControl], usual: Sequence[ColumnControl]) -> tuple[ColumnControl, ...]:
    """Return controls in the order of the columns of the `usual` ones.

    Raises:
        InvalidValueError: one is missing, named twice, or none of the action's.
    """
    wanted = [one.column for one in usual]
    given: Mapping[str, ColumnControl] = {one.column: one for one in controls}
    if sorted(one.column for one in controls) != sorted(wanted):
        raise InvalidValueError("controls", ", ".join(one.column for one in controls), f"each of {', '.join(wanted)}")
    for one in usual:
        if given[one.column].kind != one.kind:
            raise InvalidValueError(f"kind of column {one.column}", given[one.column].kind, one.kind)
    return tuple(given[name] for name in wanted)


def _resting(control: ColumnControl) -> ColumnControl:
    if control.kind != "choice":
        raise InvalidValueError("--controls", f"{REST}={control.column}", "a column of a choice")
    return ColumnControl(control.column, control.source, control.sign, kind="choice", rest=1.0)


def _choosing(columns: Sequence[ActionColumn]) -> tuple[ColumnControl, ...]:
    """Give each thing that can be chosen half of a pair of keys; boxes beside choices get whole pairs after them."""
    made, half, bank, joint = list[ColumnControl](), 0, 0, AT_ONCE
    for column in columns:
        if column.kind != "choice":
            joint += 1
            made.append(ColumnControl(column.name, f"{JOINT}{joint}", kind=column.kind, rest=column.rest))
            continue
        if half == len(CHOICES) or (column.first and half + 1 == len(CHOICES)):
            half, bank = 0, bank + 1
            joint = max(joint, AT_ONCE * (bank + 1))
        source, sign = CHOICES[half]
        half += 1
        number = int(source.removeprefix(JOINT)) + AT_ONCE * bank
        made.append(ColumnControl(column.name, f"{JOINT}{number}", sign, kind="choice", rest=column.rest))
    return tuple(made)


def _convention(task: str, columns: Sequence[ActionColumn]) -> Convention | None:
    """Return the layout of an environment's actions; None where none is known."""
    bare = task.rpartition(":")[2] if "/" not in task else task
    for one in CONVENTIONS:
        if bare.startswith(one.begins) and len(one.sources) == len(columns):
            return one
    unnamed = all(column.name.startswith("action") for column in columns)
    sources = BY_WIDTH.get(len(columns), ())
    return Convention("", sources) if unnamed and sources and all(c.kind == "rate" for c in columns) else None
