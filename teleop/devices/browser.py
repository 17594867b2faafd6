"""The browser page as a device: a mailbox that holds the operator's newest input message.

Any thread may put a message in; the control loop reads. What arrives late or out of order does not count, nor does what
was sent under an older lease than one that was already received.
"""

import time
from typing import ClassVar, NamedTuple

import numpy as np

from robo_rlhf.core.types import Command, Source
from teleop.devices import DEVICES, Device
from teleop.ipc.messages import Input
from teleop.worlds.opening import World

TAKEOVER = "takeover"  # the button that is down while the operator drives instead of a policy


class _ReceivedInput(NamedTuple):
    message: Input
    arrived: float  # [s] monotonic


@DEVICES.register("browser")
class Browser(Device):
    """Returns the command of the newest `Input`: idle ones move nothing, but their gripper counts."""

    name: ClassVar[str] = "browser"
    source: ClassVar[Source] = Source.HUMAN
    any_task: ClassVar[bool] = True
    takeover: ClassVar[str] = TAKEOVER

    def __init__(self, env: World) -> None:
        """Wait for messages; the world is not used."""
        self._newest: _ReceivedInput | None = None

    def put(self, message: Input) -> bool:
        """Take a message; return False where it is of an older lease, or not newer than the last one."""
        newest = self._newest
        if message.fence < self.fence:
            return False
        if newest and message.fence == newest.message.fence and message.sequence <= newest.message.sequence:
            return False
        self.fence, self.sequence, self.at = message.fence, message.sequence, message.at
        self._newest = _ReceivedInput(message, time.monotonic())
        return True

    def read(self) -> Command:
        """Return the operator's current command; inactive before the first message, and while the operator is idle."""
        if self._newest is None:
            return Command(np.zeros(6), -1.0, active=False)
        message, arrived = self._newest
        buttons = frozenset({TAKEOVER} if message.takeover else ())
        twist = np.zeros(6) if message.idle else np.array(message.twist)
        age = time.monotonic() - arrived
        joints = None if message.joints is None else np.array(message.joints, np.float64)  # None becomes NaN
        return Command(twist, message.gripper, buttons, not message.idle, age, message.bank, joints)
