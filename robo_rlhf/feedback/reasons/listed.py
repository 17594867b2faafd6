"""The list of reasons of a task, in the team's own words, such as "too close to the glass" (clearance, worse).

A reason may name an axis (see `feedback.axes`) and its direction: whether the clip that it is about is worse or better
along that axis. The list is among the settings of the task; its order is that of the keys on the review page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.axes import OVERALL, check_axes

Direction = Literal["worse", "better"]

MOST, LONGEST = 8, 60  # reasons of a task; characters of a name
KEYS = "QWERUIOP"  # of the reasons on the review page and in the terminal, in their order


@dataclass(frozen=True)
class Reason:
    """A reason on the list of a task."""

    name: str
    axis: str = ""  # empty: about the clip as a whole
    direction: Direction = "worse"  # of the clip that it is about, along the axis

    def as_json(self) -> dict[str, str]:
        """Return a JSON object."""
        return {"name": self.name, "axis": self.axis, "direction": self.direction}

    @property
    def trains(self) -> str:
        """The axis whose reward head it trains."""
        return self.axis or OVERALL


def check_reasons(given: Sequence[Reason]) -> tuple[Reason, ...]:
    """Check a list of reasons, and return it.

    Raises:
        InvalidValueError: too many, one twice however it is capitalised, or a name, axis or direction that cannot be.
    """
    if len(given) > MOST:
        raise InvalidValueError("reasons of a task", len(given), f"at most {MOST}: people pick them by one key each")
    seen: set[str] = set()
    for reason in given:
        name = reason.name
        if not 0 < len(name) <= LONGEST or name.strip() != name or not name.isprintable() or set(name) & set(";@/"):
            expected = f"1 to {LONGEST} characters without ; @ and /, such as too slow"
            raise InvalidValueError("name of a reason", repr(name[: LONGEST + 20]), expected)
        if name.casefold() in seen:
            raise InvalidValueError("reasons of a task", f"{name!r} twice", "different names")
        if reason.direction not in get_args(Direction):
            raise InvalidValueError(f"direction of reason {name}", repr(reason.direction), "worse or better")
        if reason.axis:
            check_axes([reason.axis])
        seen.add(name.casefold())
    return tuple(given)


def reasons_from(stored: Any) -> tuple[Reason, ...]:
    """Return the list in the settings of a task."""
    return tuple(Reason(one["name"], one["axis"], one["direction"]) for one in stored or ())


def keyed(listed: Sequence[Reason]) -> list[tuple[str, Reason]]:
    """Return the reasons with their keys."""
    return list(zip(KEYS, listed, strict=False))
