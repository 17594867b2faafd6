"""Answers hold no unknown keys."""

from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.question_kind import check_keys

PRESS = {"sign": 1, "step": 1.0, "rate": 20.0}


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_control_gives_keys_that_are_known(kind: str) -> None:
    for control in KINDS[kind].controls:
        check_keys(KINDS[kind], {**control.value, "note": "n"})


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("pairwise", {"choice": "A", "colour": "red"}),
        ("ranking", {"ranking": [["A"], ["B"], ["C"]], "choices": 1}),
        ("rating", {"ratings": {"overall": 1}, "rating": 2}),
        ("axes", {"axes": {"overall": "A"}, "axis": "B"}),
        ("moments", {"presses": [PRESS, {**PRESS, "why": "x"}]}),
        ("correction", {"choice": "fine", "x" * 50_000: 1}),
    ],
)
def test_other_keys_are_refused(kind: str, answer: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=f"answer to {KINDS[kind].article} question: expected only") as refused:
        check_keys(KINDS[kind], answer)
    assert len(str(refused.value)) < 500
