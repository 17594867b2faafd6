"""Preferences from corrections: each is better than what it corrects, from the frame at which it branched."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.checks import is_well_formed
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.core.types import Episode, Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST, datasets_of
from robo_rlhf.feedback.queries import dataset_names
from robo_rlhf.feedback.question_kind import AnswerValue
from robo_rlhf.feedback.records import AnnotatorKind, Question, question_id
from robo_rlhf.feedback.store import Store

KIND = "correction"


class Preference(NamedTuple):
    """A question about the original, with the correction as its answer."""

    question: Question
    annotator: str
    annotator_kind: AnnotatorKind
    answer: AnswerValue


def datasets_in(home: Path, store: Store, *, first: Sequence[str] = ()) -> dict[str, Dataset]:
    """Return the datasets that may hold originals, by name: `first`, all others, and those of questions.

    The last are such as the clips of a run, which are not listed among the datasets of a data home.
    """
    asked = [name for name in dataset_names(store.database) if _in_data_home(home, name)]
    names = dict.fromkeys([*first, *datasets_of(home), *asked])
    return {name: Dataset(find_dataset(home, name)) for name in names}


def corrected_over_original(
    corrections: str, datasets: Mapping[str, Dataset], *, run: str, length: int = 50
) -> list[Preference]:
    """Return a preference for every episode that corrects another which is still there.

    Both clips begin at the frame that the two have in common, and are equally long. A trimmed episode is not a
    correction of the one that it was cut out of.

    Args:
        corrections: the name of the dataset of corrections.
        datasets: datasets that may hold originals, by their path relative to the data home.
        run: the run that the questions belong to.
        length: steps a clip, at most.

    Raises:
        InvalidValueError: a length of less than one step.
    """
    if length < 1:
        raise InvalidValueError("steps of a corrected clip", length, "at least 1")
    return list(_preferences(corrections, datasets, run, length))


def write_preferences(store: Store, found: list[Preference]) -> int:
    """Write preferences into the store and return how many are new; those that it holds already change nothing."""
    store.add_questions(preference.question for preference in found)
    return sum(
        store.answer(
            preference.question.id,
            preference.annotator,
            preference.answer,
            key=f"correction {preference.answer['episode']}",
            annotator_kind=preference.annotator_kind,
        )
        for preference in found
    )


def _preferences(corrections: str, datasets: Mapping[str, Dataset], run: str, length: int) -> Iterator[Preference]:
    dataset = datasets[corrections]
    for info in dataset.list():
        meta = info.meta
        if not meta.parent or meta.trimmed:
            continue
        where = _find(meta.parent, {corrections: dataset, **datasets})
        if where is None:
            continue
        name, original = where
        episode, first = dataset.load(meta.id), meta.parent_step
        steps = min(length, len(episode) - first, len(original) - first)
        if steps < 1 or not np.any(episode.source[first : first + steps] == Source.CORRECTION):
            continue
        clips = (Segment(meta.parent, first, steps),)
        asked = question_id(run, 0, KIND, (*clips, Segment(meta.id, first, steps)))
        question = Question(asked, run, 0, KIND, meta.task, clips, name)
        kind: AnnotatorKind = "simulated" if meta.device == "scripted" else "human"
        answer = {
            "choice": "corrected",
            "dataset": corrections,
            "episode": meta.id,
            "start": first,
            "length": steps,
            "from": first,
        }
        yield Preference(question, meta.operator or "operator", kind, answer)


def _in_data_home(home: Path, name: str) -> bool:
    """Whether a dataset that questions are about is there, and in the data home."""
    return is_well_formed(name) and (find_dataset(home, name) / MANIFEST).is_file()


def _find(episode_id: str, datasets: Mapping[str, Dataset]) -> tuple[str, Episode] | None:
    """Return the dataset that holds an episode, or held it before it was trimmed, and the episode."""
    for name, dataset in datasets.items():
        try:
            return name, dataset.recall(episode_id)
        except NotFoundError:
            continue
    return None
