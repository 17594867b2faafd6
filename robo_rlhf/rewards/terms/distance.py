"""A potential that rises as the distance between two positions in the observation falls."""

from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms import TERMS
from robo_rlhf.rewards.terms.base import Potential, Steps, columns


@TERMS.register("distance")
class Distance(Potential):
    """Minus the distance between some columns of the observation and others, or 0, in units of `scale`."""

    name = "distance"

    def __init__(self, of: object, to: object = (), scale: float = 1.0) -> None:
        """Take columns by number or by name.

        Args:
            of: the columns of one place, or of a difference already.
            to: the columns of the other place, as many; none: the distance is to 0.
            scale: the distance that costs a potential of 1.

        Raises:
            InvalidValueError: a scale that is not above 0.
        """
        if not scale > 0:
            raise InvalidValueError("scale of a distance", scale, "more than 0")
        self.of, self.to, self.scale = of, to, scale

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Return two places of two columns each."""
        return {"of": [0, 1], "to": [4, 5]}

    def potential(self, steps: Steps) -> Array:
        """Return minus the distance of every observation, (T+1, N).

        Raises:
            InvalidValueError: columns that are not there, or not as many `to` as `of`.
        """
        of = columns(self.of, steps, "columns of a distance")
        apart = steps.obs[..., of].astype(np.float64)
        if self.to != () and self.to != []:
            to = columns(self.to, steps, "columns to a distance")
            if len(to) != len(of):
                raise InvalidValueError("columns to a distance", len(to), f"as many as it is of, {len(of)}")
            apart = apart - steps.obs[..., to]
        far: Array = -np.linalg.norm(apart, axis=-1) / self.scale
        return far
