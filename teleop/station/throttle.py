"""How often somebody may bring a token that lets nobody in: kept in memory, so that it costs no write."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

WINDOW = 60.0  # [s] over which failures are counted
MOST = 30  # failures of one address within the window
KEPT = 4096  # addresses, and good tokens, that are remembered


class TokenTries:
    """Failures of each address, and the tokens that were good lately: these are let through whatever their address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()

    def wait(self, address: str, digest: str) -> float:
        """Return how long [s] an address has to wait before its token is looked at; 0 where it is looked at now."""
        with self._lock:
            times = self._failed.get(address)
            if digest in self._good or times is None:
                return 0.0
            now = self._clock()
            while times and times[0] <= now - WINDOW:
                times.popleft()
            return times[0] + WINDOW - now if len(times) >= MOST else 0.0

    def failed(self, address: str, digest: str) -> None:
        """Count a token that lets nobody in."""
        with self._lock:
            self._good.pop(digest, None)
            self._failed.setdefault(address, deque(maxlen=MOST)).append(self._clock())
            _trim(self._failed, address)

    def succeeded(self, digest: str) -> None:
        """Remember a good token."""
        with self._lock:
            self._good[digest] = None
            _trim(self._good, digest)


def _trim(kept: OrderedDict[str, Any], newest: str) -> None:
    kept.move_to_end(newest)
    while len(kept) > KEPT:
        kept.popitem(last=False)
