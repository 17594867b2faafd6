"""The clock of the leases: it never jumps, even if the clock of the server is changed."""

import time
from collections.abc import Callable

Seconds = Callable[[], float]


class LeaseClock:
    """A clock that starts at wall time and then advances by elapsed (monotonic) time.

    A jump of the server's clock while the program runs changes nothing. After a start with a clock set back, time
    continues from the newest lease (`catch_up`), so that no lease lasts longer than it was meant to. Set forward,
    leases run out early, and late answers are still accepted where there is room.
    """

    def __init__(self, wall: Seconds = time.time, steady: Seconds = time.monotonic) -> None:
        """Start from `wall` [s since 1970] and count by `steady` [s]."""
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> float:
        """Return the time [s]."""
        return self._steady() + self._offset

    def catch_up(self, seen: float) -> None:
        """Continue from `seen`, a time in the database, where that is later."""
        self._offset = max(self._offset, seen - self._steady())
