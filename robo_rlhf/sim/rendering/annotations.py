"""Annotations (overlay geometry) for viewers: a drop line under the gripper, arrows, trails. Independent of MuJoCo.

A render request carries a tuple of these; `robo_rlhf.sim.rendering.annotation_geoms` converts them to geoms.
They change no state, and no other image. Colours are names of `robo_rlhf.sim.scenes.appearance.PALETTE`.
"""

import math
from dataclasses import dataclass
from itertools import chain

from robo_rlhf.core.errors import InvalidValueError

Point = tuple[float, float, float]  # [m] in the world
MAX_POINTS = 400  # of one trail


@dataclass(frozen=True)
class DropLine:
    """A line from a site straight down to the first surface, with a ring there: shows height and landing point.

    The line passes through the robot itself and the object that it holds.
    """

    site: str = ""  # empty: the robot's end effector
    colour: str = "guide"


@dataclass(frozen=True)
class Arrow:
    """An arrow, for example of an action or of a force."""

    start: Point
    end: Point
    colour: str = "guide"
    width: float = 0.006  # [m] radius of its shaft

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InvalidValueError: one is not finite, or the width is not above 0.
        """
        _check("an arrow", (self.start, self.end), self.width)


@dataclass(frozen=True)
class Trail:
    """A line through points: a past or a predicted path."""

    points: tuple[Point, ...]
    colour: str = "guide"
    width: float = 0.003  # [m] its radius
    fade: float = 0.15  # opacity at the last point, in [0, 1]: it fades from the first on
    balls: bool = False  # a ball at every point, so that they can be counted

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InvalidValueError: one is not finite or outside its range, or there are more than MAX_POINTS points.
        """
        _check("a trail", self.points, self.width)
        if len(self.points) > MAX_POINTS:
            raise InvalidValueError("points of a trail", len(self.points), f"at most {MAX_POINTS}")
        if not 0 <= self.fade <= 1:
            raise InvalidValueError("fade of a trail", self.fade, "a number from 0 to 1")


Annotation = DropLine | Arrow | Trail


def _check(what: str, points: tuple[Point, ...], width: float) -> None:
    if not all(map(math.isfinite, chain(*points))):
        raise InvalidValueError(f"points of {what}", "one that is not finite", "finite numbers [m]")
    if not 0 < width < math.inf:
        raise InvalidValueError(f"width of {what}", width, "metres above 0")
