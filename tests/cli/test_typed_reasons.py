"""Reasons typed in a terminal after an answer."""

import pytest

from robo_rlhf.cli.typed_answers import menu, read_answer
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.reasons.listed import Reason
from tests.feedback.making import make_question

LISTED = (Reason("too slow", "speed"), Reason("leans", "tilt"))
PAIR = KINDS["pairwise"]


def test_reasons_follow_a_slash_with_the_second_that_is_meant() -> None:
    assert read_answer(PAIR, make_question(1), "1 / q W@1.5", 20.0, LISTED) == {
        "choice": "A",
        "reasons": [{"reason": "too slow"}, {"reason": "leans", "step": 30.0}],
    }
    assert read_answer(PAIR, make_question(1), "1", 20.0, LISTED) == {"choice": "A"}
    assert "[q] too slow   [w] leans" in menu(PAIR, make_question(1), LISTED)
    assert "slash" not in menu(PAIR, make_question(1))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("1 / e", "a key, and @ with a second where a moment is meant: q too slow, w leans"),
        ("1 / q@soon", "@ with a second"),
        ("1 / q@99", "step of reason too slow: expected a number from 0 to 50"),
        ("1 / q q", "'too slow' twice"),
        ("9 / q", r"\[1\] A is better"),
    ],
)
def test_what_is_no_reason_is_refused_where_it_can_be_typed_again(typed: str, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        read_answer(PAIR, make_question(1), typed, 20.0, LISTED)


def test_without_a_list_the_sentence_says_so() -> None:
    with pytest.raises(InvalidValueError, match="the task has no list of reasons"):
        read_answer(PAIR, make_question(1), "1 / q", 20.0)
