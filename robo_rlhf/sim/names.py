"""Options that name a task: their check is made before anything is loaded or made."""

from typing import Annotated

from robo_rlhf.core.checks import Meant
from robo_rlhf.core.registry import known
from robo_rlhf.sim.external.ids import is_outside
from robo_rlhf.sim.tasks import TASKS


def _native(_: str, given: object) -> None:
    known(TASKS, str(given))


def _world(_: str, given: object) -> None:
    if not is_outside(str(given)):
        known(TASKS, str(given))


Task = Annotated[str, Meant(_native)]  # of this project
Tasks = Annotated[tuple[str, ...], Meant(_native)]
World = Annotated[str, Meant(_world)]  # such a task, or an outside environment: whether there is one, its package says
MaybeWorld = Annotated[str | None, Meant(_world)]
