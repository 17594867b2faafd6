from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.axes import USUAL, axes_of, check_axes
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import agreement

AXES = KINDS["axes"]
CLIPS = (Segment("a", 0, 5), Segment("b", 0, 5))
ASKED = {"axes": ["speed", "safety", "care"]}
SAID: dict[str, Any] = {"axes": {"speed": "A", "safety": "tie", "care": "cant_tell"}}


def test_each_axis_that_was_judged_trains_its_own_reward() -> None:
    AXES.validate(SAID, 2, ASKED)
    targets = AXES.targets(SAID, CLIPS)
    assert {axis: target.values.tolist() for axis, target in targets.items()} == {"speed": [1, 0], "safety": [0.5, 0.5]}
    whole = AXES.target(SAID, CLIPS)
    assert whole is not None
    np.testing.assert_allclose(whole.values, [0.75, 0.25])


def test_an_answer_that_can_tell_nothing_trains_nothing() -> None:
    nothing = {"axes": dict.fromkeys(ASKED["axes"], "cant_tell")}
    AXES.validate(nothing, 2, ASKED)
    assert not AXES.targets(nothing, CLIPS)
    assert AXES.target(nothing, CLIPS) is None


def test_swapped_clips_swap_each_axis() -> None:
    moved = AXES.permute(SAID, (1, 0))
    assert moved["axes"] == {"speed": "B", "safety": "tie", "care": "cant_tell"}
    assert AXES.permute(moved, (1, 0)) == SAID


def test_people_agree_axis_by_axis() -> None:
    other = {"axes": {"speed": "A", "safety": "B", "care": "B"}}
    assert agreement(AXES, SAID, other) == 0.5
    assert dict(AXES.labels(SAID)) == {"speed": "A", "safety": "neither"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"axes": {"speed": "A"}}, "expected axes with each of speed, safety, care, or a choice of cant_tell"),
        ({**SAID, "choice": "A"}, "expected axes with each of speed, safety, care"),
        ({"choice": "A"}, "expected axes with each of speed, safety, care"),
        ({"axes": {**SAID["axes"], "care": "C"}}, "choice on axis care: expected one of A, B, tie, cant_tell"),
        ({"axes": {**SAID["axes"], "care": 1}}, "choice on axis care"),
    ],
)
def test_what_is_no_answer_is_refused(answer: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        AXES.validate(answer, 2, ASKED)


@pytest.mark.parametrize("names", [[], ["speed", "speed"], [""], [" speed"], ["a\nb"], ["x" * 61], list("abcdefghijk")])
def test_names_that_cannot_be_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidValueError, match="axes: expected 1 to 10 different names"):
        check_axes(names)


def test_a_question_without_named_axes_is_about_the_whole() -> None:
    assert axes_of({}) == ("overall",)
    assert check_axes(USUAL) == USUAL
