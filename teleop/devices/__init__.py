"""Input devices: one file per device, found by name."""

from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from robo_rlhf.core.registry import Registry
from robo_rlhf.core.types import Command, Source

if TYPE_CHECKING:
    from robo_rlhf.sim.envs.task_env import TaskEnv


class Device(Protocol):
    """A context manager that is polled once per control step for the operator's command."""

    name: ClassVar[str]
    source: ClassVar[Source]  # the source that is recorded for its actions

    def __init__(self, env: "TaskEnv") -> None:
        """Get ready to control copy 0 of `env`, which the device may look at and must not change.

        Raises:
            RoboRlhfError: something is missing (a library, a permission, the device itself); the message says what.
        """
        ...

    def __enter__(self) -> Self:
        """Open the device."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""
        ...

    def begin(self, seed: int) -> None:
        """Take note that an episode has begun from `seed`: earlier presses do not count any more."""
        ...

    def read(self) -> Command:
        """Return the operator's current command; never blocks."""
        ...


DEVICES: Registry[type[Device]] = Registry("device", "teleop.devices", base="teleop.devices:Device")
