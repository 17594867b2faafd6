"""Which keys are held and which were pressed: keys of the key table → a twist and acts."""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.types import Array
from teleop.input.key_bindings import KEYS, Binding
from teleop.input.terminal_keys import Flags, Focus, KeyEvent, TerminalEvent

HOLD = 0.2  # [s] that a key counts as held after its last event, where releases are not reported
ONCE = 0.7  # [s] within which an old terminal's second press of the same key is its repeating: more than it waits first
AGAIN = frozenset({"rewind", "faster", "slower"})  # acts that may follow one another sooner than that


class HeldKeys:
    """Remembers which keys of a key table are held down. Time is the caller's."""

    def __init__(self, table: Sequence[Binding] = KEYS, hold: float = HOLD) -> None:
        """Listen for the keys of `table`; without releases a key is released `hold` [s] after its last event."""
        self._by_code = {code: binding for binding in table for code in binding.keys}
        self._hold = hold
        self._since: dict[str, float] = {}  # code → time of its last event, while it is held
        self._pressed: dict[str, float] = {}  # code → when it was last pressed
        self._shift_until = -np.inf
        self.releases = False  # whether the terminal reports releases

    def add(self, binding: Binding) -> None:
        """Listen for one more."""
        self._by_code |= dict.fromkeys(binding.keys, binding)

    def feed(self, events: Sequence[TerminalEvent], now: float) -> list[str]:
        """Process the events received at `now` [s]; return the acts that were pressed."""
        acts = []
        for event in events:
            if isinstance(event, Flags):
                self.releases = event.releases
                self.let_go()
            elif isinstance(event, Focus):
                self.let_go()
            elif isinstance(event, KeyEvent):
                act = self._feed_key(event, now)
                if act:
                    acts.append(act)
        return acts

    def let_go(self) -> None:
        """Forget the held keys: their release would not be reported."""
        self._since.clear()
        self._shift_until = -np.inf

    def held(self, now: float) -> tuple[Binding, ...]:
        """Return the held keys at `now` [s]."""
        if not self.releases:
            self._since = {code: since for code, since in self._since.items() if now - since <= self._hold}
        return tuple(dict.fromkeys(self._by_code[code] for code in self._since))

    def twist(self, now: float) -> Array:
        """Return the twist (6,) in [-1, 1] ahead, left and up of the operator that the held keys mean."""
        twist = np.zeros(6)
        for binding in self.held(now):
            if binding.axis is not None:
                twist[binding.axis] += binding.sign
        return np.clip(twist, -1.0, 1.0)

    def holds(self, act: str, now: float) -> bool:
        """Whether a key that does `act` is held."""
        shifted = act == "slow" and not self.releases and now <= self._shift_until
        return shifted or any(binding.act == act for binding in self.held(now))

    def _feed_key(self, event: KeyEvent, now: float) -> str:
        """Process a key event; return the act that it does once, or ""."""
        binding = self._by_code.get(event.code)
        if binding is None or event.control:
            return ""
        if event.kind == "release":
            self._since.pop(event.code, None)
            return ""
        if binding.held:
            self._since[event.code] = now
            if event.shift:
                self._shift_until = now + self._hold
            return ""
        before, self._pressed[event.code] = self._pressed.get(event.code, -np.inf), now
        if self.releases:
            return binding.act if event.kind == "press" else ""
        return binding.act if now - before > (self._hold if binding.act in AGAIN else ONCE) else ""
