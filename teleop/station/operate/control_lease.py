"""The control lease of a session: one page drives at a time, under a fencing number.

A page keeps its seat by an id that outlives a reload. The holder whose connection is lost stays the holder:
coming back is enough. Only when `PATIENCE` has run out may another person take over. Each change of holder, and each
return, has a new number; messages under an older one are ignored.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from robo_rlhf.core.errors import NotNowError
from teleop.ipc.messages import Controls, Holder

PATIENCE = 60.0  # [s] that the controls wait for a holder whose connection is lost


@dataclass
class Seat:
    """A page that has the session open."""

    id: str  # of the page, and of one person: see `seat_id`
    person: str
    asks: bool = False  # for the controls
    away_since: float | None = None  # [s] on the lease's clock; None while it is connected


def seat_id(person: str, key: str) -> str:
    """Return the id of a seat, which others see, from the key that its page keeps to itself."""
    return hashlib.sha256(f"{person}\0{key}".encode()).hexdigest()[:16]


class ControlLease:
    """The controls of one session; no locks: it belongs to the thread that made it."""

    def __init__(
        self,
        owner: str,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start without an operator.

        Args:
            owner: the person who started the session: their first page drives without asking.
            patience: how long the controls wait for a holder who is away [s].
            clock: what time it is [s].
            log: called with a sentence at each change of holder.
        """
        self.owner, self.fence = owner, 1
        self._patience, self._clock, self._log = patience, clock, log
        self._seats: dict[str, Seat] = {}
        self._holder: Seat | None = None

    @property
    def holder(self) -> Seat | None:
        """The page that drives, also while it is away."""
        return self._holder

    @property
    def present(self) -> bool:
        """Whether the page that drives is connected."""
        return self._holder is not None and self._holder.away_since is None

    @property
    def askers(self) -> list[Seat]:
        """The pages that ask for the controls, in the order in which they came."""
        return [seat for seat in self._seats.values() if seat.asks]

    def join(self, page: str, person: str) -> None:
        """Note that a page is connected, for the first time or again."""
        seat = self._seats.setdefault(page, Seat(page, person))
        seat.away_since = None
        if seat is self._holder:
            self.fence += 1  # nothing that its lost connection still holds counts, and its inputs are counted anew
        holder = self._holder
        if holder is None and person == self.owner:
            self._change(seat, f"{person} drives")
        elif holder is not None and holder is not seat and holder.person == person and not self.present:
            self._change(seat, f"{person} drives on; the tab that drove is gone")

    def leave(self, page: str) -> None:
        """Note that a page's connection is lost: it stays the holder if it was."""
        seat = self._seats.get(page)
        if seat is None:
            return
        seat.away_since, seat.asks = self._clock(), False
        if seat is not self._holder:
            del self._seats[page]

    def allows(self, page: str, fence: int) -> bool:
        """Whether the inputs of this page under this number are accepted."""
        return self._holder is not None and self._holder.id == page and fence == self.fence

    def take(self, page: str) -> None:
        """Drive from this page: the controls are free, the holder's lease has run out, or it is the user's other tab.

        Raises:
            NotNowError: another user drives; the message names them and what to do.
        """
        seat, holder = self._seats[page], self._holder
        if holder is seat:
            return
        if holder is None:
            self._change(seat, f"{seat.person} drives")
        elif holder.person == seat.person:
            self._change(seat, f"{seat.person} drives from another tab")
        elif self._ran_out():
            self._change(seat, f"{seat.person} took over from {holder.person}, who was away")
        else:
            when = f"in {self._left():.0f} s, if they stay away" if not self.present else "when they hand over"
            raise NotNowError(f"{holder.person} drives", f"Ask for the controls, and you can drive {when}.")

    def ask(self, page: str) -> None:
        """Ask for the controls; where they are free, this takes them."""
        seat = self._seats[page]
        holder = self._holder
        if holder is None or holder.person == seat.person or self._ran_out():
            self.take(page)
        elif holder is not seat:
            seat.asks = True

    def give(self, page: str, to: str) -> None:
        """Hand the controls to another page.

        Raises:
            NotNowError: this page does not drive, or the other one is gone.
        """
        seat, other = self._seats[page], self._seats.get(to)
        if seat is not self._holder:
            raise NotNowError("Only the page that drives can hand the controls over", "Ask for them.")
        if other is None or other.away_since is not None:
            raise NotNowError("The person who asked has left", "You still drive.")
        if other is not seat:
            self._change(other, f"{seat.person} handed the controls to {other.person}")

    def release(self, page: str) -> None:
        """Release the controls; the first page that asked has them now."""
        seat = self._seats[page]
        if seat is not self._holder:
            return
        waiting = [other for other in self.askers if other is not seat]
        if waiting:
            self._change(waiting[0], f"{seat.person} handed the controls to {waiting[0].person}")
        else:
            self._change(None, f"{seat.person} let the controls go")

    def expire(self) -> bool:
        """Give the controls of a holder whose lease has run out to the first asker; return whether they changed."""
        holder, askers = self._holder, self.askers
        if holder is None or not askers or not self._ran_out():
            return False
        self._change(askers[0], f"{askers[0].person} took over from {holder.person}, who was away")
        return True

    def controls(self, page: str) -> Controls:
        """Return the control state for a page."""
        holder = None if self._holder is None else Holder(self._holder.id, self._holder.person)
        others = [seat for seat in self._seats.values() if seat is not self._holder]
        spectators = tuple(Holder(seat.id, seat.person, seat.asks) for seat in others)
        return Controls(page, self.fence, holder, holder is not None and not self.present, spectators)

    def _ran_out(self) -> bool:
        return self._holder is not None and not self.present and self._left() <= 0

    def _left(self) -> float:
        """Return how long the controls still wait for a holder who is away [s]."""
        assert self._holder is not None
        assert self._holder.away_since is not None
        return self._holder.away_since + self._patience - self._clock()

    def _change(self, seat: Seat | None, sentence: str) -> None:
        old, self._holder = self._holder, seat
        self.fence += 1
        if old is not None and old.away_since is not None:
            self._seats.pop(old.id, None)
        if seat is not None:
            seat.asks = False
        self._log(f"{sentence}.")
