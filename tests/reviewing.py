"""Questions about sample episodes, for the tests of the review page."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Question, Store, question_id


def questions_about(
    home: Path, dataset: str, kind: str, count: int, *, run: str = "asked", steps: int = 20, **fields: Any
) -> list[Question]:
    """Return questions about clips of a dataset, no two of them alike."""
    found = Dataset(home / dataset)
    task = found.list()[0].meta.task
    places = cycle([(info.meta.id, info.length) for info in found.list()])
    clips = KINDS[kind].num_clips.start
    asked = []
    for number in range(count):
        chosen = [_clip(next(places), steps, number) for _ in range(clips)]
        name = question_id(run, number, kind, chosen)
        asked.append(Question(name, run, 1, kind, task, tuple(chosen), dataset, **fields))
    return asked


def _clip(place: tuple[str, int], steps: int, number: int) -> Segment:
    episode, length = place
    return Segment(episode, (3 * number) % (length - steps + 1), steps)


def ask(home: Path, questions: Sequence[Question], **sharing: float) -> None:
    """Add questions to the database of a data home; nothing is mixed in unless `sharing` says so."""
    with Store(home / "feedback.db") as store:
        store.tasks.set_sharing(**{"gold_share": 0.0, "repeat_share": 0.0, **sharing})
        store.add_questions(questions)
