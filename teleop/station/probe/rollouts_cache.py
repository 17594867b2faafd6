"""What-if rollouts that are kept for a while, so that their clips can be drawn from any camera."""

import threading
from typing import NamedTuple

from cachetools import LRUCache

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.core.types import Array
from teleop.station.media.films import digest_of

CAPACITY = 64  # that are kept for their clips


class PredictedRollout(NamedTuple):
    """The states from which a clip of a rollout is drawn."""

    scene: str  # the name of the model
    states: Array  # (L + 1, nstate)
    fps: float


class RolloutCache:
    """The newest futures by id; safe to use from several threads."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._lock = threading.Lock()
        self._kept: LRUCache[str, PredictedRollout] = LRUCache(CAPACITY)

    def put(self, future: PredictedRollout) -> str:
        """Keep a future and return its id."""
        name = digest_of(future.scene, future.states)
        with self._lock:
            self._kept[name] = future
        return name

    def get(self, name: str) -> PredictedRollout:
        """Return a future.

        Raises:
            NotFoundError: there is none of this id, or not any more.
        """
        with self._lock:
            if name not in self._kept:
                raise NotFoundError("what-if rollout", name[:40], "Ask for it again; only the newest are kept.")
            return self._kept[name]
