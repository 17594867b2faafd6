"""Questions about sample episodes, for the tests of the review page."""

from collections.abc import Sequence
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import Any

from robo_rlhf.core.types import Segment
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Question, Store, question_id


def questions_about(
    home: Path, dataset: str, kind: str, count: int, *, run: str = "asked", steps: int = 20, **fields: Any
) -> list[Question]:
    """Return questions about clips of a dataset, no two of them alike; of few clips, since each has to be drawn."""
    found = Dataset(home / dataset).list()
    task = found[0].meta.task
    places = ((info, start) for start in count_from(0, 3) for info in found)
    clips = KINDS[kind].num_clips.start
    asked = []
    for number in range(count):
        chosen = [
            Segment(info.meta.id, start % (info.length - steps + 1), steps) for info, start in islice(places, clips)
        ]
        name = question_id(run, number, kind, chosen)
        asked.append(Question(name, run, 1, kind, task, tuple(chosen), dataset, **fields))
    return asked


def ask(home: Path, questions: Sequence[Question], **sharing: float) -> None:
    """Add questions to the database of a data home; nothing is mixed in unless `sharing` says so."""
    with Store(home / "feedback.db") as store:
        store.tasks.set_sharing(**{"gold_share": 0.0, "repeat_share": 0.0, **sharing})
        store.add_questions(questions)
