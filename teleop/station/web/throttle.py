"""Rate limits: kept in memory, so that they cost no write."""

import threading
import time
from collections import deque
from collections.abc import Callable

from cachetools import LRUCache

WINDOW = 60.0  # [s] over which it is counted
BAD_TOKENS = 30  # of one address within the window; good ones are looked at all the same
NOTES = 30  # of one person within the window
KEPT = 4096  # addresses, or people, that are remembered


class Tries:
    """The recent attempts of each name. Safe to use from several threads at once."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow each name `most` attempts within the window."""
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._times: LRUCache[str, deque[float]] = LRUCache(KEPT)

    def count(self, name: str) -> float:
        """Count one more of `name`, and return 0; where there were too many, how long [s] it has to wait."""
        with self._lock:
            now = self._clock()
            times = self._times.setdefault(name, deque())
            while times and times[0] <= now - WINDOW:
                times.popleft()
            if len(times) >= self._most:
                return times[0] + WINDOW - now
            times.append(now)
            return 0.0
