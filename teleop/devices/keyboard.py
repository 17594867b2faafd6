"""The keyboard of a terminal as a device: no X, Wayland or root needed, and it works over ssh.

Terminals that know the kitty keyboard protocol report when a key is released; then keys are held as they are on a page.
With others a key counts as held for a moment after the terminal last repeated it.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Command, Source
from teleop.devices import DEVICES, Handheld
from teleop.input.held_keys import HOLD, HeldKeys
from teleop.input.operator_state import TAKEOVER, OperatorState
from teleop.input.response_curves import CURVE, DEADZONE, LEVEL, check_response
from teleop.input.terminal import TERMINAL, Terminal
from teleop.worlds.opening import World


@DEVICES.register("keyboard")
class Keyboard(Handheld):
    """Reads the keys of `teleop.input.key_bindings` from a terminal."""

    name: ClassVar[str] = "keyboard"
    source: ClassVar[Source] = Source.HUMAN

    def __init__(
        self,
        env: World,
        *,
        path: Path | None = None,
        terminal: Terminal | None = None,
        heading: float = 0.0,
        speed: int = LEVEL,
        hold: float = HOLD,
    ) -> None:
        """Drive the robot of `env`.

        Args:
            env: the world.
            path: of the terminal; the one that this program was started in where None.
            terminal: one that is open already, in its place.
            heading: of the operator's line of sight [deg], see `teleop.input.response_curves.rotate_twist`.
            speed: level, from 1.
            hold: how long a key counts as held after its last event [s], where the terminal does not report releases.
        """
        check_response(DEADZONE, CURVE, speed)
        if not 0.05 <= hold <= 1.0:
            raise InvalidValueError("hold", f"{hold:g}", "0.05 to 1 second")
        self.operator_state = OperatorState(env.action_names, heading=heading, speed=speed)
        self.keys = HeldKeys(hold=hold)
        self.terminal = terminal or Terminal(path or TERMINAL)
        self._own = terminal is None

    def __enter__(self) -> Self:
        """Take over the terminal, unless it is another's.

        Raises:
            MissingDependencyError: this program has no terminal.
        """
        if self._own:
            self.terminal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the terminal back as it was."""
        if self._own:
            self.terminal.__exit__(kind, error, trace)

    def begin(self, seed: int) -> None:
        """Forget what was pressed; held keys stay held."""
        self.operator_state.begin()

    def read(self) -> Command:
        """Return the command of the held keys.

        Its age is the time without any event from the terminal while keys are held: a lost terminal reports no release.
        """
        events = self.terminal.read()
        now = time.monotonic()
        for act in self.keys.feed(events, now):
            self.operator_state.press(act)
        asks = self.keys.releases and bool(self.keys.held(now))
        self.terminal.ask(asks)
        return self.operator_state.command(
            self.keys.twist(now),
            slow=self.keys.holds("slow", now),
            takeover=self.keys.holds(TAKEOVER, now),
            lost=self.terminal.gone,
            age=now - self.terminal.last_input_at if asks and self.terminal.answers else 0.0,
        )
