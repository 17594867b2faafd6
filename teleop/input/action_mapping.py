"""The mapping between a device's command and the action vector of a task.

A `Command` is the same for every robot: a twist of six parts and a gripper. A task names the columns of its action, and
each name is one part of the command. An arm is commanded in the world frame; a rover in its own frame, where x is
ahead and z is up.
"""

from collections.abc import Sequence

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Command

TWIST = {"x": 0, "y": 1, "z": 2, "roll": 3, "pitch": 4, "yaw": 5, "forward": 0, "turn": 5}  # action column → twist part
GRIPPER = "gripper"


def to_action(command: Command, names: Sequence[str]) -> Array:
    """Return the action (act_dim,) float32 in [-1, 1] that a command means for columns of these names."""
    wanted = [command.gripper if name == GRIPPER else command.twist[_part(name)] for name in names]
    return np.clip(np.array(wanted, np.float32), -1.0, 1.0)


def from_action(action: Array, names: Sequence[str]) -> Command:
    """Return the command that means `action` (act_dim,): `to_action` gives it back, bit for bit."""
    twist, gripper = np.zeros(6), -1.0
    for name, value in zip(names, action, strict=True):
        if name == GRIPPER:
            gripper = float(value)
        else:
            twist[_part(name)] = value
    return Command(twist, gripper)


def _part(name: str) -> int:
    if name not in TWIST:
        raise InvalidValueError(
            "action column to be teleoperated", repr(name), f"one of {', '.join([*TWIST, GRIPPER])}"
        )
    return TWIST[name]
