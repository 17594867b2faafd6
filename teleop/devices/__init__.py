"""Input devices: one file per device, found by name."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from robo_rlhf.core.registry import Registry
from robo_rlhf.core.types import Command, Source

if TYPE_CHECKING:
    from teleop.input.operator_state import OperatorState
    from teleop.ipc.messages import Input
    from teleop.worlds.opening import World


class Device(ABC):
    """A context manager that is polled once per control step for the operator's command.

    A command moves a hand (`twist`), or where the device `gives_joints`, says where joints are to be (`joints`): one
    number a column of the action, in [-1, 1] between its bounds. It drives environments whose actions are positions.
    """

    name: ClassVar[str]
    source: ClassVar[Source]  # the source that is recorded for its actions
    handheld: ClassVar[bool] = False  # whether a person at this machine holds it, as a `Handheld`
    any_task: ClassVar[bool] = False  # whether it drives another task too, once it is open
    takeover: ClassVar[str] = ""  # the button that takes over from a policy; where empty, any motion does
    gives_joints: ClassVar[bool] = False  # whether `read` gives positions of joints, as a leader arm does
    fence: int = 0  # the newest lease whose input was received, of a device that gets messages
    sequence: int = 0  # number of the newest input of such a device; 0 before the first
    at: float = 0.0  # time of the operator's action, on the sender's clock [ms]; 0 before the first input

    def __init__(self, env: "World") -> None:  # noqa: B027 - nothing is needed
        """Get ready to control copy 0 of `env`, which the device may look at and must not change.

        Raises:
            RoboRlhfError: something is missing (a library, a permission, the device itself); the message says what.
        """

    def __enter__(self) -> Self:
        """Open the device, where there is something to open."""
        return self

    def __exit__(  # noqa: B027 - nothing to release
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""

    def begin(self, seed: int) -> None:  # noqa: B027 - nothing is needed
        """Take note that an episode has begun from `seed`: earlier presses do not count any more."""

    @abstractmethod
    def read(self) -> Command:
        """Return the operator's current command; never blocks."""

    def put(self, message: "Input") -> bool:
        """Take a message, from any thread; False where the device gets none, or the message does not count."""
        return False


class Handheld(Device):
    """A device that a person at this machine holds: a session in the terminal goes with it."""

    handheld: ClassVar[bool] = True
    operator_state: "OperatorState"  # what is held and how it is to be understood: heading, speed, response


DEVICES: Registry[type[Device]] = Registry("device", "teleop.devices", base="teleop.devices:Device")
