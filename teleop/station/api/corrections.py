"""Corrections: what was recorded in place of something worse says that it is better."""

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST, list_datasets
from robo_rlhf.errors import NotFoundError
from robo_rlhf.feedback.corrections import corrected_over_original, write_preferences
from robo_rlhf.feedback.listing import dataset_names
from robo_rlhf.files import find_dataset
from teleop.station.rest import BODY, Answers, Body, Here, Name, Operator, Shape, answers
from teleop.station.rest import router as make

router = make("corrections")


class Corrections(Body):
    """Whose episodes are looked at."""

    dataset: Name = Field(description="With the corrections, within the data home.", examples=["pick_place"])
    run: Name = Field(description="The run that the questions belong to.", examples=["corrections"])
    length: Annotated[int, Field(ge=1, le=10_000, description="Steps a clip, at most.")] = 50


class Written(Shape):
    """What became of corrections."""

    found: int = Field(description="Corrections of episodes that are still there.")
    new: int = Field(description="Answers that were not there already.")


@router.post("/corrections", responses=answers(*BODY, 404, 409))
def write(store: Answers, station: Here, _: Operator, body: Corrections) -> Written:
    """Write down, for every episode of a dataset that corrects another, that it is better. Twice changes nothing."""
    names = list_datasets(station.home)
    if body.dataset not in names:
        raise NotFoundError("dataset", body.dataset[:80], "The library shows what there is.")
    asked = [name for name in dataset_names(store.database) if _lies_in(station.home, name)]
    datasets = {name: Dataset(find_dataset(station.home, name)) for name in dict.fromkeys([*names, *asked])}
    found = corrected_over_original(body.dataset, datasets, run=body.run, length=body.length)
    return Written(found=len(found), new=write_preferences(store, found))


def _lies_in(home: Path, name: str) -> bool:
    """Whether a dataset that somebody asked about, such as the clips of a run, is there, and in the data home."""
    parts = PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts and (home / parts / MANIFEST).is_file()
