"""Experiment trackers, one file each, by name in `TRACKERS`. Nothing of theirs is imported unless asked for."""

from typing import TYPE_CHECKING, Annotated

from robo_rlhf.core.checks import Meant
from robo_rlhf.core.registry import Choices, Registry

if TYPE_CHECKING:
    from robo_rlhf.trackers.base import Tracker

TRACKERS: "Registry[type[Tracker]]" = Registry("tracker", "robo_rlhf.trackers", base="robo_rlhf.trackers.base:Tracker")


def check_tracker(_: str, given: object) -> None:
    """Refuse a tracker that is not known, or cannot work here; raises as `Tracker.check`."""
    if given:
        TRACKERS[str(given)].check()


Track = Annotated[str, Meant(check_tracker), Choices(TRACKERS)]  # the option --track; empty: none
