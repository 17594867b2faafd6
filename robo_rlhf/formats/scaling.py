"""Actions in the units of their origin, and in [-1, 1] as episodes hold them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.types import Array

Bounds = tuple[tuple[float, float], ...]


class Scaling(NamedTuple):
    """What -1 and 1 are in each column of the action."""

    low: Array  # (act_dim,) float64
    high: Array  # (act_dim,) float64

    @staticmethod
    def of(parts: Iterable[Array]) -> "Scaling | None":
        """Return the scaling of actions, each part (T, act_dim): their range; None where they are in [-1, 1] already.

        A column that never moves is scaled by 1 about its value.
        """
        low = high = None
        for part in parts:
            if len(part):
                least, most = part.min(axis=0), part.max(axis=0)
                low = least if low is None else np.minimum(low, least)
                high = most if high is None else np.maximum(high, most)
        if low is None or high is None or (low.min() >= -1 and high.max() <= 1):
            return None
        still = high <= low
        return Scaling(np.where(still, low - 1, low), np.where(still, high + 1, high))

    @staticmethod
    def from_bounds(bounds: Bounds) -> "Scaling | None":
        """Return the scaling that an episode was imported with; None where its actions are in their own units."""
        return Scaling(*np.array(bounds, dtype=np.float64).T) if bounds else None

    @property
    def bounds(self) -> Bounds:
        """Low and high of each column, as metadata."""
        return tuple((float(low), float(high)) for low, high in zip(self.low, self.high, strict=True))

    def scaled(self, action: Array) -> Array:
        """Return actions (T, act_dim) in [-1, 1], float32."""
        unit = 2 * (action - self.low) / (self.high - self.low) - 1
        scaled: Array = np.clip(unit, -1, 1).astype(np.float32)
        return scaled

    def original(self, action: Array) -> Array:
        """Return actions (T, act_dim) in the units of their origin, float32."""
        original = self.low + (action.astype(np.float64) + 1) / 2 * (self.high - self.low)
        return np.asarray(original, np.float32)
