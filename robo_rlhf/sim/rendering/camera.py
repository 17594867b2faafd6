"""Cameras: a camera of the scene by its name, or a free one. Independent of MuJoCo."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError

FORM = "a camera's name, or azimuth,elevation,distance[,x,y,z] in degrees and metres, such as 135,-30,1.6,0.5,0,0.1"


@dataclass(frozen=True)
class Camera:
    """A camera of the scene (`name`), or, where `name` is empty, a free one that looks at a point.

    Angles are MuJoCo's: azimuth is the heading of the line of sight about z, 0 along x and 90 along y;
    elevation is its rise, so that negative ones look down.
    """

    name: str = ""
    azimuth: float = 90.0  # [deg]
    elevation: float = -30.0  # [deg] in [-90, 90]
    distance: float = 1.6  # [m] from the camera to the point it looks at
    lookat: tuple[float, float, float] | None = None  # [m] in the world; None: the centre of the scene

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InvalidValueError: one is not finite, or outside its range.
        """
        numbers = (self.azimuth, self.elevation, self.distance, *(self.lookat or ()))
        if not all(map(math.isfinite, numbers)):
            raise InvalidValueError("camera", ",".join(f"{n:g}" for n in numbers), "finite numbers")
        if not -90 <= self.elevation <= 90:
            raise InvalidValueError("camera elevation", f"{self.elevation:g}", "degrees from -90 (straight down) to 90")
        if self.distance <= 0:
            raise InvalidValueError("camera distance", f"{self.distance:g}", "metres above 0")

    @classmethod
    def parse(cls, text: str) -> "Camera":
        """Parse a camera from text: "front", "135,-30,1.6" or "135,-30,1.6,0.5,0,0.1".

        Raises:
            InvalidValueError: neither a name nor three or six numbers.
        """
        parts = [part.strip() for part in text.split(",")]
        if len(parts) == 1 and parts[0] and not _is_number(parts[0]):
            return cls(name=parts[0])
        if len(parts) not in (3, 6) or not all(map(_is_number, parts)):
            raise InvalidValueError("camera", repr(text), FORM)
        azimuth, elevation, distance, *point = map(float, parts)
        lookat = (point[0], point[1], point[2]) if point else None
        return cls(azimuth=azimuth, elevation=elevation, distance=distance, lookat=lookat)

    @classmethod
    def of(cls, camera: "Camera | str") -> "Camera":
        """Return `camera`, parsed where it is text."""
        return cls.parse(camera) if isinstance(camera, str) else camera

    def index_in(self, names: Iterable[str]) -> int:
        """Return the index of a named camera among the scene's `names`.

        Raises:
            UnknownNameError: the scene has no such camera; the message suggests the nearest.
        """
        known = list(names)
        if self.name not in known:
            raise UnknownNameError("camera", self.name, known)
        return known.index(self.name)

    def __str__(self) -> str:
        """Return the text that `parse` turns into this camera again."""
        numbers = (self.azimuth, self.elevation, self.distance, *(self.lookat or ()))
        return self.name or ",".join(f"{float(n)!r}" for n in numbers)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
