"""Named axes: what clips are judged by, each by itself, such as speed and safety.

The meta of a question names them as {"axes": ["speed", "safety"]}. A judgement that names none is about OVERALL, as all
pairs, rankings and approvals are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robo_rlhf.core.errors import InvalidValueError

OVERALL = "overall"
USUAL = ("task success", "speed", "smoothness", "safety", "care with the object")  # of a task that has none of its own
MOST, LONGEST = 10, 60  # axes of a question; characters of a name


def axes_of(asked: Mapping[str, Any], usual: Iterable[str] = (OVERALL,)) -> tuple[str, ...]:
    """Return the axes that a question with this meta asks about; in earlier versions they were called criteria."""
    return tuple(asked.get("axes") or asked.get("criteria") or usual)


def check_axes(names: Sequence[str]) -> tuple[str, ...]:
    """Check names of axes, and return them.

    Raises:
        InvalidValueError: none or too many, one twice, or one that is empty, too long or of several lines.
    """
    found = tuple(names)
    expected = f"1 to {MOST} different names of 1 to {LONGEST} characters each, such as {', '.join(USUAL[:3])}"
    good = all(name.strip() == name and 0 < len(name) <= LONGEST and name.isprintable() for name in found)
    if not good or not 1 <= len(found) <= MOST or len(set(found)) < len(found):
        raise InvalidValueError("axes", ", ".join(found) or "none", expected)
    return found
