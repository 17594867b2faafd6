"""Operator state that every hand-held device keeps between reads: the gripper, the speed, and the presses."""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.types import Array, Command
from robo_rlhf.sim.external.controls import part_of
from teleop.input.response_curves import LEVEL, LEVELS, SLOW, has_own_ahead, rotate_twist

TAKEOVER = "takeover"  # a button that is sent for as long as it is held, or the robot is moved
_MOVED = 0.05  # of full speed: more than that counts as driving


class OperatorState:
    """Turns presses and positions into commands. Acts are named as in `teleop.input.key_bindings`."""

    def __init__(self, action_names: tuple[str, ...], *, heading: float = 0.0, speed: int = LEVEL) -> None:
        """Hold a robot with these action columns.

        Args:
            action_names: of the task.
            heading: see `look`.
            speed: level, from 1.
        """
        self.drive(action_names)
        self.set_heading(heading)
        self.level = speed
        self.gripper = -1.0
        self._pressed: set[str] = set()
        self._acted = False

    def drive(self, sources: Sequence[str]) -> None:
        """Drive a robot whose action columns these `sources` drive, see `robo_rlhf.sim.external.controls`."""
        self._own_ahead = has_own_ahead(sources)
        self.banks, self.bank = 1 + max((part[1] for name in sources if (part := part_of(name))), default=0), 0

    def set_heading(self, heading: float) -> None:
        """Set the operator's line of sight, see `rotate_twist`; ignored for a robot with a body frame."""
        self.heading = 0.0 if self._own_ahead else heading

    def begin(self) -> None:
        """Forget what was pressed. Speed and gripper stay, since an episode may resume from any frame."""
        self._pressed.clear()
        self._acted = False

    def press(self, act: str) -> None:
        """Do an act once: here if it concerns this state, else as a button of the next command."""
        if act == "gripper":
            self.gripper = -1.0 if self.gripper > 0 else 1.0
            self._acted = True
        elif act == "joints":
            self.bank = (self.bank + 1) % self.banks
        elif act == "faster":
            self.level = min(self.level + 1, len(LEVELS))
        elif act == "slower":
            self.level = max(self.level - 1, 1)
        elif act:
            self._pressed.add(act)

    def command(
        self, twist: Array, *, slow: bool = False, takeover: bool = False, lost: bool = False, age: float = 0.0
    ) -> Command:
        """Return what the operator wants: `twist` (6,) ahead, left and up of them, and what was pressed since.

        Active while the operator drives: moves the robot, switches its gripper, or holds `takeover`. The button
        `takeover` is then among the buttons. `lost` is a device that no longer sends.
        """
        wanted = rotate_twist(twist, 0.0 if self.bank else self.heading)
        for part in (wanted[:3], wanted[3:]):
            part /= max(1.0, np.abs(part).max())  # as a whole, so that its direction stays
        wanted *= LEVELS[self.level - 1] * (SLOW if slow else 1.0)
        drives = not lost and (takeover or self._acted or bool(np.abs(twist).max() > _MOVED))
        buttons = frozenset(self._pressed | ({TAKEOVER} if drives else set()))
        self._pressed.clear()
        self._acted = False
        return Command(wanted, self.gripper, buttons, drives, age, self.bank)
