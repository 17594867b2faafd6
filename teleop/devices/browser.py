"""The browser page as a device: a mailbox that holds the operator's newest input message.

Any thread may put a message in; the control loop reads. What arrives late or out of order does not count, nor does what
was sent under an older lease than one that was already received.
"""

import time
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

import numpy as np

from robo_rlhf.core.types import Command, Source
from robo_rlhf.sim.envs.task_env import TaskEnv
from teleop.devices import DEVICES
from teleop.ipc.messages import Input

TAKEOVER = "takeover"  # the button that is down while the operator drives instead of a policy


class _ReceivedInput(NamedTuple):
    message: Input
    arrived: float  # [s] monotonic


@DEVICES.register("browser")
class Browser:
    """Returns the command of the newest `Input`: idle ones move nothing, but their gripper counts."""

    name: ClassVar[str] = "browser"
    source: ClassVar[Source] = Source.HUMAN

    def __init__(self, env: TaskEnv) -> None:
        """Wait for messages; the world is not used."""
        self._newest: _ReceivedInput | None = None
        self.fence = 0  # the newest lease that was received

    def __enter__(self) -> Self:
        """Return the device; there is nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to release."""

    @property
    def sequence(self) -> int:
        """Number of the newest input; 0 before the first."""
        return self._newest.message.sequence if self._newest else 0

    @property
    def at(self) -> float:
        """Time of the operator's action, on the page's clock [ms]; 0 before the first input."""
        return self._newest.message.at if self._newest else 0.0

    def put(self, message: Input) -> bool:
        """Take a message; return False where it is of an older lease, or not newer than the last one."""
        newest = self._newest
        if message.fence < self.fence:
            return False
        if newest and message.fence == newest.message.fence and message.sequence <= newest.message.sequence:
            return False
        self.fence = message.fence
        self._newest = _ReceivedInput(message, time.monotonic())
        return True

    def begin(self, seed: int) -> None:
        """Do nothing: held keys stay held."""

    def read(self) -> Command:
        """Return the operator's current command; inactive before the first message, and while the operator is idle."""
        if self._newest is None:
            return Command(np.zeros(6), -1.0, active=False)
        message, arrived = self._newest
        buttons = frozenset({TAKEOVER} if message.takeover else ())
        twist = np.zeros(6) if message.idle else np.array(message.twist)
        return Command(twist, message.gripper, buttons, not message.idle, time.monotonic() - arrived)
