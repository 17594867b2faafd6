import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.accounts.groups import LONGEST, MOST, apart, groups_of, text_of
from robo_rlhf.core.errors import InvalidValueError

WORDS = st.lists(
    st.from_regex(r"[a-z]+( [a-z]+)?", fullmatch=True).filter(lambda word: len(word) <= LONGEST), max_size=MOST
)


@given(WORDS)
def test_groups_come_back_from_their_text(words: list[str]) -> None:
    text = text_of(words)
    assert groups_of(text) == tuple(sorted(set(words)))
    assert text_of(groups_of(text)) == text


def test_the_same_group_is_written_in_one_way() -> None:
    assert text_of(["Right-handed", " right-handed ", "robotics   background"]) == "Right-handed, robotics background"
    assert text_of(["e\u0301tudiant"]) == "\xe9tudiant"
    assert groups_of("") == ()


@pytest.mark.parametrize("words", [["a,b"], [""], ["  "], ["x" * 41], ["a\x00b"], ["\u202eabc"], list("abcdefghi")])
def test_groups_that_cannot_be(words: list[str]) -> None:
    with pytest.raises(InvalidValueError, match="group"):
        text_of(words)


def test_who_belongs_to_both_groups_is_in_neither_of_two_camps() -> None:
    teams = {"anna": "a", "ben": "a, b", "carl": "b, c", "dora": "", "emil": "c"}
    assert apart(teams, "a", "b") == {"anna": "a", "carl": "b"}
