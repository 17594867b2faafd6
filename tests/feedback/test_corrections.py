from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.corrections import Preference, corrected_over_original, write_preferences
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Store
from tests.data.making import episode

FIELDS: dict[str, Any] = {"parent": "original", "parent_step": 4, "operator": "Ada", "tags": ("branch", "correction")}


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, Dataset]:
    """A dataset with an original of 12 steps, and an empty one for what corrects it from step 4 on."""
    found = {name: Dataset(tmp_path / name, create=True) for name in ("driven", "corrected")}
    found["driven"].add(episode("original", 12))
    return found


def add(dataset: Dataset, episode_id: str, steps: int = 20, corrected: bool = True, **fields: Any) -> None:
    source = np.full(steps, int(Source.POLICY), np.uint8)
    source[4:] = Source.CORRECTION if corrected else Source.HUMAN
    dataset.add(replace(episode(episode_id, steps, seed=1, **{**FIELDS, **fields}), source=source))


def found(datasets: dict[str, Dataset], length: int = 50) -> list[Preference]:
    return corrected_over_original("corrected", datasets, run="main", length=length)


def test_the_correction_is_better_from_the_frame_in_common(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "better")
    (preference,) = found(datasets)
    question = preference.question
    assert (question.dataset, question.kind, question.segments) == (
        "driven",
        "correction",
        (Segment("original", 4, 8),),
    )
    assert (preference.annotator, preference.annotator_kind) == ("Ada", "human")
    target = KINDS["correction"].target(preference.answer, question.segments)
    assert target is not None
    assert target.clips == (Segment("better", 4, 8), Segment("original", 4, 8))
    assert target.datasets == ("corrected", "")
    assert found(datasets, length=3)[0].question.segments == (Segment("original", 4, 3),)


def test_what_corrects_nothing_says_nothing(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "no-parent", parent="")
    add(datasets["corrected"], "cut-out", trimmed=True)
    add(datasets["corrected"], "lost", parent="purged")
    add(datasets["corrected"], "went-on", corrected=False)
    add(datasets["corrected"], "from-the-end", parent_step=12)
    assert found(datasets) == []


def test_an_original_that_was_trimmed_is_looked_up_as_it_was(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "better")
    datasets["driven"].trim("original", 2, 9)
    assert found(datasets)[0].question.segments == (Segment("original", 4, 8),)


def test_written_once(datasets: dict[str, Dataset], tmp_path: Path) -> None:
    add(datasets["corrected"], "better")
    add(datasets["corrected"], "another", device="scripted")
    with Store(tmp_path / "feedback.db") as store:
        assert write_preferences(store, found(datasets)) == 2
        assert write_preferences(store, found(datasets)) == 0
        counts = store.counts(run="main")
        assert (counts.questions, counts.human, counts.simulated) == (2, 1, 1)


def test_no_steps_are_refused(datasets: dict[str, Dataset]) -> None:
    with pytest.raises(InvalidValueError, match="steps of a corrected clip: expected at least 1, got 0"):
        found(datasets, length=0)
