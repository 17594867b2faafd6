"""What rewinds and takeovers say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment, Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.implicit import pairs
from robo_rlhf.feedback.implicit.pairs import Reading, read_preferences
from robo_rlhf.feedback.kinds import KINDS
from tests.data.making import episode

FIELDS: dict[str, Any] = {"parent": "original", "parent_step": 4, "operator": "Ada", "tags": ("correction",)}


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, Dataset]:
    """A dataset with a failed original of 12 steps, and an empty one for what corrects it from step 4 on."""
    found = {name: Dataset(tmp_path / name, create=True) for name in ("driven", "corrected")}
    found["driven"].add(episode("original", 12, outcome="failure"))
    return found


def add(dataset: Dataset, episode_id: str, steps: int = 20, corrects: int | None = 4, **fields: Any) -> None:
    """Add an episode whose steps from `corrects` on are a person's correction of a policy, or all a person's."""
    source = np.full(steps, int(Source.HUMAN if corrects is None else Source.POLICY), np.uint8)
    source[corrects if corrects is not None else steps :] = Source.CORRECTION
    dataset.add(replace(episode(episode_id, steps, seed=1, **{**FIELDS, **fields}), source=source))


def read(datasets: dict[str, Dataset], length: int = 50) -> Reading:
    return read_preferences("corrected", datasets, run="main", length=length)


def sure(datasets: dict[str, Dataset]) -> list[tuple[float, str]]:
    return [(one.answer["sure"], one.answer["judged"]) for one in read(datasets).found]


def test_the_correction_is_better_from_the_frame_in_common(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "better")
    (preference,) = read(datasets).found
    question = preference.question
    assert (question.dataset, question.kind, question.role) == ("driven", "correction", "implicit")
    assert question.segments == (Segment("original", 4, 8),)
    assert (preference.annotator, preference.annotator_kind) == ("Ada", "human")
    assert (preference.answer["how"], preference.answer["sure"]) == ("takeover", 1.0)
    target = KINDS["correction"].target(preference.answer, question.segments)
    assert target is not None
    assert target.clips == (Segment("better", 4, 8), Segment("original", 4, 8))
    assert (target.datasets, target.weight) == (("corrected", ""), 1.0)
    assert read(datasets, length=3).found[0].question.segments == (Segment("original", 4, 3),)


def test_what_replaces_nothing_says_nothing(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "no-parent", parent="", corrects=None)
    add(datasets["corrected"], "cut-out", trimmed=True, corrects=None)
    add(datasets["corrected"], "went-on", corrects=None)  # nobody had left the original
    assert read(datasets) == Reading([], {})


def test_why_others_say_nothing(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "lost", parent="purged")
    add(datasets["corrected"], "from-the-end", parent_step=12, corrects=12)
    add(datasets["corrected"], "one-step", steps=5)
    assert read(datasets) == Reading([], {pairs.GONE: 1, pairs.TOO_SHORT: 1, pairs.NOTHING_LEFT: 1})


@pytest.mark.parametrize(
    ("ended", "before", "expected"),
    [
        ({"outcome": "success"}, {"outcome": "failure"}, [(1.0, "task")]),
        ({"outcome": "success", "marked": True}, {"outcome": "failure", "marked": True}, [(1.0, "person")]),
        ({"outcome": "success"}, {"outcome": "success"}, [(0.5, "task")]),
        ({"outcome": "failure"}, {"outcome": "failure"}, [(0.2, "task")]),
        ({"outcome": "aborted"}, {"outcome": "aborted"}, [(0.2, "")]),
        ({"outcome": "failure"}, {"outcome": "success"}, []),
    ],
)
def test_how_sure_it_is_follows_from_how_both_ended(
    ended: dict[str, Any], before: dict[str, Any], expected: list[Any], datasets: dict[str, Dataset]
) -> None:
    datasets["driven"].delete("original")
    datasets["driven"].add(episode("original", 12, **before))
    add(datasets["corrected"], "better", **ended)
    assert sure(datasets) == expected
    assert (pairs.WORSE in read(datasets).silent) == (not expected)


def test_a_rewind_prefers_what_was_gone_on_with(datasets: dict[str, Dataset]) -> None:
    """The first branch was left at frame 9, by way of which the second one succeeded; the third attempt began at 2."""
    left: dict[str, Any] = {"corrects": None, "outcome": "failure", "tags": ("branch",)}
    add(datasets["corrected"], "b0", parent="", parent_step=0, **left)
    add(datasets["corrected"], "b1", parent="b0", **left)
    add(datasets["corrected"], "b2", parent="b1", parent_step=9, corrects=None, tags=())
    clips = [(one.question.segments[0], one.answer["episode"], one.answer["sure"]) for one in read(datasets).found]
    assert clips == [(Segment("b0", 4, 5), "b1", 1.0), (Segment("b1", 9, 11), "b2", 1.0)]
    assert {one.answer["how"] for one in read(datasets).found} == {"rewind"}


def test_a_branch_that_was_left_before_it_differs_says_nothing(datasets: dict[str, Dataset]) -> None:
    left: dict[str, Any] = {"corrects": None, "outcome": "failure", "tags": ("branch",)}
    add(datasets["corrected"], "b0", parent="", parent_step=0, **left)
    add(datasets["corrected"], "b1", parent="b0", parent_step=8, **left)
    add(datasets["corrected"], "b2", parent="b1", parent_step=0, corrects=None, tags=())
    found = read(datasets)
    assert [(one.question.segments[0], one.answer["episode"]) for one in found.found] == [(Segment("b1", 0, 20), "b2")]
    assert found.silent == {pairs.ALSO_LEFT: 1}  # and a rewind to the first frame is one like others


def test_a_takeover_is_better_than_what_the_policy_did_before_it(datasets: dict[str, Dataset]) -> None:
    source = np.full(40, int(Source.POLICY), np.uint8)
    source[:3] = source[10:18] = source[30] = Source.CORRECTION  # the first takes over from nothing
    driven = episode("watched", 40, operator="Ada", device="browser", tags=("correction",))
    datasets["corrected"].add(replace(driven, source=source))
    (preference,) = read(datasets).found
    assert preference.question.segments == (Segment("watched", 3, 7),)
    assert (preference.answer["start"], preference.answer["length"], preference.answer["sure"]) == (10, 7, 0.5)
    assert read(datasets).silent == {pairs.TOO_SHORT: 1}  # the takeover of one step


def test_an_original_that_was_trimmed_is_looked_up_as_it_was(datasets: dict[str, Dataset]) -> None:
    add(datasets["corrected"], "better")
    datasets["driven"].trim("original", 2, 9)
    assert read(datasets).found[0].question.segments == (Segment("original", 4, 8),)


def test_no_steps_are_refused(datasets: dict[str, Dataset]) -> None:
    with pytest.raises(InvalidValueError, match="steps of a corrected clip: expected at least 1, got 0"):
        read(datasets, length=0)
