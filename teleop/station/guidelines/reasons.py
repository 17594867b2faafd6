"""The list of reasons of a task on its guidelines page: what people may pick beside an answer."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from robo_rlhf.feedback.axes import LONGEST as LONGEST_AXIS
from robo_rlhf.feedback.reasons.listed import KEYS, LONGEST, MOST, Direction, Reason, keyed
from robo_rlhf.feedback.store import Store


@dataclass(frozen=True)
class ReasonsOnPage:
    """What the page shows of a task's reasons."""

    listed: list[tuple[str, Reason]]  # each with its key
    axes: tuple[str, ...]  # that the task names, to choose from
    keys: str = KEYS
    longest: int = LONGEST
    longest_axis: int = LONGEST_AXIS


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewReason(_Strict):
    """One reason, as it is sent."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    axis: Annotated[str, Field(max_length=LONGEST_AXIS)] = ""
    direction: Direction = "worse"


class NewReasons(_Strict):
    """The list of a task."""

    task: Annotated[str, Field(min_length=1, max_length=200)]
    reasons: Annotated[list[NewReason], Field(max_length=MOST)]


def list_on_page(store: Store, task: str) -> ReasonsOnPage:
    """Return what the page shows of a task."""
    return ReasonsOnPage(keyed(store.tasks.reasons(task)), store.tasks.axes(task))
