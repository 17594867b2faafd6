"""Corrections: what was done instead of something worse counts as a preference for it."""

from typing import Annotated

from pydantic import Field

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.data.layout import datasets_of
from robo_rlhf.feedback.implicit.keeping import write_preferences
from robo_rlhf.feedback.implicit.pairs import datasets_in, read_preferences
from teleop.station.web.rest import BODY, Answers, Body, Here, Name, Operator, Shape, answers
from teleop.station.web.rest import router as make

router = make("corrections")


class Corrections(Body):
    """The dataset whose corrections are read."""

    dataset: Name = Field(description="With the corrections, within the data home.", examples=["pick_place"])
    run: Name = Field(description="The run that the questions belong to.", examples=["corrections"])
    length: Annotated[int, Field(ge=1, le=10_000, description="Steps a clip, at most.")] = 50


class CorrectionsResult(Shape):
    """The answers made from corrections."""

    found: int = Field(description="Rewinds and takeovers that say something.")
    new: int = Field(description="Answers that were not there already.")
    removed: int = Field(description="Answers of earlier calls that do not hold any more.")
    silent: dict[str, int] = Field(description="Why others say nothing, and how many.")


@router.post("/corrections", responses=answers(*BODY, 404, 409))
def write(store: Answers, station: Here, _: Operator, body: Corrections) -> CorrectionsResult:
    """Store an answer for every rewind and takeover in a dataset: what was done instead is better. Idempotent."""
    if body.dataset not in datasets_of(station.home):
        raise NotFoundError("dataset", body.dataset[:80], "The library shows what there is.")
    datasets = datasets_in(station.home, store)
    read = read_preferences(body.dataset, datasets, run=body.run, length=body.length)
    done = write_preferences(store, read.found, all_of=(body.run, body.dataset))
    return CorrectionsResult(found=len(read.found), new=done.new, removed=done.removed, silent=dict(read.silent))
