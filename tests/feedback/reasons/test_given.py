"""Reasons in answers: what is accepted, what is stored, and what is refused with a sentence."""

from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.reasons.given import (
    check_stored,
    counts,
    described_with_reasons,
    explained,
    in_words,
    is_the_same,
)
from robo_rlhf.feedback.reasons.listed import Reason, check_reasons, reasons_from

SLOW, QUICK = Reason("too slow", "speed"), Reason("quick", "speed", "better")
LEANS, LOVELY = Reason("leans", "tilt"), Reason("lovely", "", "better")
LISTED = (SLOW, QUICK, LEANS, LOVELY)


def stored(value: dict[str, Any], lengths: tuple[int, ...] = (40, 50)) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = explained(value, LISTED, lengths)["reasons"]
    return found


def because(*given: Any, **rest: Any) -> dict[str, Any]:
    return {**rest, "reasons": [{"reason": one} if isinstance(one, str) else one for one in given]}


def test_of_two_clips_the_one_that_is_meant_follows_from_the_choice() -> None:
    worse, better = stored(because("too slow", "lovely", choice="A"))
    assert worse == {"reason": "too slow", "axis": "speed", "direction": "worse", "clip": "B"}
    assert better == {"reason": "lovely", "axis": "", "direction": "better", "clip": "A"}


def test_a_clip_that_is_named_is_kept_and_so_is_the_moment() -> None:
    (one,) = stored(because({"reason": "too slow", "clip": "A", "step": 31}, choice="A"))
    assert (one["clip"], one["step"]) == ("A", 31)


def test_an_object_that_the_question_names_is_kept() -> None:
    value = because({"reason": "leans", "object": "glass"}, choice="A")
    kept = explained(value, LISTED, (40, 50), ("cup", "glass"))
    assert kept["reasons"][0]["object"] == "glass"
    assert in_words(kept) == "leans (B glass)"
    assert is_the_same(kept, value)
    assert not is_the_same(kept, because({"reason": "leans", "object": "cup"}, choice="A"))
    check_stored(kept, 2)
    with pytest.raises(
        InvalidValueError, match="object of reason leans: expected one of cup, mat, or none, got 'glass'"
    ):
        explained(value, LISTED, (40, 50), ("cup", "mat"))


def test_where_no_clip_follows_none_is_stored() -> None:
    for value in ({"choice": "tie"}, {"choice": "cant_tell"}, {"ranking": [["A"], ["B"]]}):
        assert "clip" not in stored(because("too slow", **value))[0]
    assert stored(because("too slow", choice="yes"), (40,))[0]["clip"] == "A"
    along = {"axes": {"speed": "B", "tilt": "tie"}}
    assert [one.get("clip") for one in stored(because("too slow", "leans", **along))] == ["A", None]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (because("too blue", choice="A"), "reason of an answer: expected one of the task's list: too slow, quick"),
        (because("too slow", "too slow", choice="A"), "'too slow' twice"),
        (because({"reason": "too slow", "clip": "C"}, choice="A"), "clip of reason too slow: expected one of A, B"),
        (because({"reason": "leans", "step": 51}, choice="A"), "step of reason leans: expected a number from 0 to 50"),
        (because({"reason": "leans", "why": "x"}, choice="A"), "an object with reason, clip, step"),
        (because(3, choice="A"), "an object with reason, clip, step"),
        (because({"reason": "leans", "object": "glass"}, choice="A"), "none: the question names no objects"),
        (because({"reason": "leans", "object": 3}, choice="A"), "object of reason leans"),
        ({"choice": "A", "reasons": "too slow"}, "a list of at most 8"),
        (because({"reason": "too slow", "clip": "A"}, "quick", choice="A"), "opposite in speed"),
        (because({"reason": "quick", "clip": "B"}, "quick", choice="A"), "'quick' twice"),
        (because({"reason": "quick", "clip": "A"}, axes={"speed": "B"}), "agrees with the answer"),
    ],
)
def test_what_cannot_be_is_refused(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        stored(value)


def test_contradictory_reasons_of_one_clip_are_named() -> None:
    with pytest.raises(InvalidValueError) as refusal:
        stored(because("too slow", "quick", choice="yes"), (40,))
    assert "'too slow' of clip A and 'quick' of clip A, which are opposite in speed" in str(refusal.value)


def test_two_reasons_that_agree_are_kept() -> None:
    assert len(stored(because("too slow", "quick", choice="A"))) == 2  # the slow one lost, the quick one won
    both = ({"reason": "too slow", "clip": "A"}, {"reason": "leans", "clip": "B"})
    assert len(stored(because(*both, choice="B"))) == 2


def test_without_a_list_the_sentence_says_so() -> None:
    with pytest.raises(InvalidValueError, match="the task has no list of reasons"):
        explained(because("too slow", choice="A"), (), (40, 50))


def test_an_answer_that_is_sent_again_is_recognised_whatever_was_added_to_it() -> None:
    sent = because("too slow", {"reason": "leans", "clip": "A", "step": 3}, choice="A", note="n")
    kept = explained(sent, LISTED, (40, 50))
    assert is_the_same(kept, sent)
    assert not is_the_same(kept, {**sent, "choice": "B"})
    assert not is_the_same(kept, because("too slow", choice="A", note="n"))
    assert not is_the_same(kept, because("too slow", {"reason": "leans", "clip": "B", "step": 3}, choice="A", note="n"))


def test_answers_of_another_database_need_no_list_and_are_checked_all_the_same() -> None:
    kept = explained(because("too slow", choice="A"), LISTED, (40, 50))
    check_stored(kept, 2)
    check_stored({"choice": "A"}, 2)
    for broken in ([{"reason": "x"}], [{**kept["reasons"][0], "clip": "F"}], "x", [{**kept["reasons"][0], "step": -1}]):
        with pytest.raises(InvalidValueError, match="reason"):
            check_stored({"choice": "A", "reasons": broken}, 2)


def test_in_words() -> None:
    kept = explained(because({"reason": "too slow", "step": 31}, "lovely", choice="A"), LISTED, (40, 50))
    assert in_words(kept, 0.05) == "too slow (B at 1.6 s), lovely (A)"
    assert described_with_reasons(KINDS["pairwise"], kept) == "A is better: too slow (B at step 31), lovely (A)"
    assert described_with_reasons(KINDS["pairwise"], {"choice": "B"}) == "B is better"
    assert counts([kept, because("lovely"), {"choice": "A"}]) == {"lovely": 2, "too slow": 1}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ([Reason(f"r{i}") for i in range(9)], "reasons of a task: expected at most 8"),
        ([Reason("Slow"), Reason("slow")], "'slow' twice"),
        ([Reason("a;b")], "without ; @ and /"),
        ([Reason(" x")], "name of a reason"),
        ([Reason("")], "name of a reason"),
        ([Reason("x", "y", "sideways")], "direction of reason x"),  # type: ignore[arg-type]
        ([Reason("x", "y" * 61)], "axes"),
    ],
)
def test_lists_that_cannot_be_are_refused(listed: list[Reason], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        check_reasons(listed)


def test_a_list_goes_through_json() -> None:
    assert reasons_from([reason.as_json() for reason in LISTED]) == LISTED
    assert reasons_from(None) == ()
