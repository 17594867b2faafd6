"""Answers typed in a terminal, for questions of every layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.typed_answers import menu, read_answer
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.records import Question
from tests.guesting import at_home

BOTH = {"axes": ["gentleness", "speed"]}
EARLIER = {"criteria": ["gentleness", "speed"]}
TYPED: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = [
    ("pairwise", "1", {}, {"choice": "A"}),
    ("pairwise", " b ", {}, {"choice": "B"}),
    ("pairwise", "tie", {}, {"choice": "tie"}),
    ("ranking", "b > a = c", {}, {"ranking": [["B"], ["A", "C"]]}),
    ("ranking", "0", {}, {"choice": "cant_tell"}),
    ("rating", "4", {}, {"ratings": {"overall": 4}}),
    ("rating", "4 2", EARLIER, {"ratings": {"gentleness": 4, "speed": 2}}),
    ("axes", "2 0", BOTH, {"axes": {"gentleness": "B", "speed": "cant_tell"}}),
    ("axes", "3", {}, {"axes": {"overall": "tie"}}),
    ("axes", "9", BOTH, {"choice": "cant_tell"}),
    ("moments", "+1.5 -3", {}, {"presses": [{"sign": s, "step": t, "rate": 1e-3} for s, t in ((1, 30.0), (-1, 60.0))]}),
    ("moments", "1", {}, {"presses": []}),
    ("correction", "1", {}, {"choice": "fine"}),
    ("my_kinds:BestOfThree", "3", {}, {"choice": "C"}),
    ("my_kinds:Slider", "73", {}, {"score": 73}),
    ("my_kinds:Slider", "0", {}, {"choice": "cant_tell"}),
]
REFUSED = [
    ("pairwise", "left", r"\[1\] A is better"),
    ("ranking", "B > A", "the best first"),
    ("rating", "9", "1 very bad"),
    ("axes", "1 2", "1 A, 2 B, 3 Tie, 0 Can't tell"),
    ("moments", "+", r"the second at which"),
    ("correction", "h", "on the review page"),
    ("my_kinds:Slider", "101", "a whole number from 0 to 100"),
    ("my_kinds:Slider", "good", "score from 0 to 100"),
]


@pytest.fixture(autouse=True)
def _allowed(tmp_path: Path) -> Any:
    with at_home(tmp_path, ["my_kinds"]):
        yield


def asked(kind: str, meta: Mapping[str, Any]) -> Question:
    clips = tuple(Segment(f"e{i}", 0, 90) for i in range(KINDS[kind].num_clips.start))
    return Question("q", "run", 1, kind, "reach", clips, "data", meta=meta)


@pytest.mark.parametrize(("kind", "typed", "meta", "answer"), TYPED)
def test_what_is_typed_is_the_answer(kind: str, typed: str, meta: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    assert read_answer(KINDS[kind], asked(kind, meta), typed, 20.0) == answer


@pytest.mark.parametrize(("kind", "typed", "told"), REFUSED)
def test_what_is_no_answer_is_told_how_one_is_written(kind: str, typed: str, told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        read_answer(KINDS[kind], asked(kind, {}), typed, 20.0)


def test_a_menu_says_how_each_kind_is_answered() -> None:
    for kind in (*KINDS, "my_kinds:BestOfThree", "my_kinds:Slider"):
        text = menu(KINDS[kind], asked(kind, {}))
        assert all(f"[{c.key}] {c.label}" in text for c in KINDS[kind].controls if not c.part)
