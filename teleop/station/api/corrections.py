"""Corrections: an episode recorded in place of a worse one counts as a preference for it."""

from typing import Annotated

from pydantic import Field

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.data.layout import datasets_of
from robo_rlhf.feedback.corrections import corrected_over_original, datasets_in, write_preferences
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

    found: int = Field(description="Corrections of episodes that are still there.")
    new: int = Field(description="Answers that were not there already.")


@router.post("/corrections", responses=answers(*BODY, 404, 409))
def write(store: Answers, station: Here, _: Operator, body: Corrections) -> CorrectionsResult:
    """Store an answer for every episode of a dataset that corrects another: it is better. Idempotent."""
    if body.dataset not in datasets_of(station.home):
        raise NotFoundError("dataset", body.dataset[:80], "The library shows what there is.")
    datasets = datasets_in(station.home, store)
    found = corrected_over_original(body.dataset, datasets, run=body.run, length=body.length)
    return CorrectionsResult(found=len(found), new=write_preferences(store, found))
