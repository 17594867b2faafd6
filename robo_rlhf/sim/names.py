"""Options that name a task or a robot: their check is made before anything is loaded or made."""

from dataclasses import dataclass
from typing import Annotated

from robo_rlhf.core.checks import Meant
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.registry import Choices, known
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.robots import ROBOTS
from robo_rlhf.sim.tasks import TASKS


def _native(_: str, given: object) -> None:
    known(TASKS, str(given))


def check_world(_: str, given: object) -> None:
    """Refuse what is neither a task nor written as an outside environment; raises as `known`."""
    if not is_outside(str(given)):
        known(TASKS, str(given))


def _outside(what: str, given: object) -> None:
    if not is_outside(str(given)):
        raise InvalidValueError(what, repr(given), "the Gymnasium id of an outside environment, such as Pusher-v5")


Task = Annotated[str, Meant(_native), Choices(TASKS)]  # of this project
Tasks = Annotated[tuple[str, ...], Meant(_native), Choices(TASKS)]
World = Annotated[str, Meant(check_world), Choices(TASKS)]  # or an outside environment, which its package may know
Worlds = Annotated[tuple[str, ...], Meant(_outside)]  # outside environments
MaybeWorld = Annotated[str | None, Meant(check_world), Choices(TASKS)]


def _registered(_: str, given: object) -> None:
    known(ROBOTS, str(given))


@dataclass(frozen=True, kw_only=True)
class OnRobot:
    """The option `--robot`."""

    robot: Annotated[str, Meant(_registered), Choices(ROBOTS)] = ""
    """Robot that an arm task runs with: arm6, or one of your own; where empty arm, or the one of TASK@ROBOT."""
