"""Pacing: ticks at absolute deadlines, so that delays do not accumulate."""

import time

SPIN = 0.001  # [s] before a deadline that is waited for awake, since sleeping is not more exact


class Pacer:
    """Ticks every `period` seconds of the wall, or at once where `pace` is False."""

    def __init__(self, period: float, *, pace: bool = True) -> None:
        """Start on the first `wait`."""
        self.period, self.pace = period, pace
        self.missed = 0  # periods that passed without a tick
        self._next: float | None = None  # [s] monotonic

    def restart(self) -> None:
        """Tick at once on the next `wait`, and count the periods from there: after a pause."""
        self._next = None

    def left(self) -> float:
        """Return how long it is until the next tick [s]; 0 where it is due."""
        if not self.pace or self._next is None:
            return 0.0
        return max(self._next - time.monotonic(), 0.0)

    def wait(self) -> float:
        """Wait for the next tick; return how late it is [s].

        After a stall of periods the ticks continue in the old rhythm: the missed ones are not made up for.
        """
        if not self.pace:
            return 0.0
        now = time.monotonic()
        if self._next is None:
            self._next = now
        while (left := self._next - now) > 0:
            if left > SPIN:
                time.sleep(left - SPIN)
            now = time.monotonic()
        late = -left
        skipped = int(late / self.period)
        self.missed += skipped
        self._next += (1 + skipped) * self.period
        return late
