"""Ranges and tags against a plain reading of the standard."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teleop.station.media.ranges import MAX_PARTS, ByteRange, UnsatisfiableRangeError, is_fresh, matches, parse_range

SIZE = 1000
TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (None, None),
        ("items=0-5", None),
        ("garbage", None),
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-999", [(0, 1000)]),
        ("bytes=0-", [(0, 1000)]),
        ("bytes=990-2000", [(990, 1000)]),
        ("bytes=-10", [(990, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("Bytes = 5-6", [(5, 7)]),
        ("bytes=0-1, 10-11,,-3", [(0, 2), (10, 12), (997, 1000)]),
        ("bytes=900-, 0-1", [(900, 1000), (0, 2)]),
        ("bytes=0-10,5-20,21-22", [(0, 23)]),
        ("bytes=2000-, 5-5", [(5, 6)]),
    ],
)
def test_what_is_asked_for(header: str | None, parts: list[tuple[int, int]] | None) -> None:
    found = parse_range(header, SIZE)
    assert found == (None if parts is None else tuple(ByteRange(*part) for part in parts))


@pytest.mark.parametrize(
    "header",
    [
        *(
            "bytes=",
            "bytes=-",
            "bytes=--1",
            "bytes=5",
            "bytes=a-b",
            "bytes=6-5",
            "bytes=1000-",
            "bytes=-0",
            "bytes=1-2-3",
        ),
        *("bytes=0-1,x", "bytes=٣-٤", "bytes=0x1-2", "bytes=+1-2", f"bytes={'9' * 19}-"),
        "bytes=" + ",".join(f"{10 * i}-{10 * i}" for i in range(MAX_PARTS + 1)),
    ],
)
def test_what_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, SIZE)


def test_nothing_of_an_empty_file_can_be_asked_for() -> None:
    for header in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        with pytest.raises(UnsatisfiableRangeError):
            parse_range(header, 0)


SPECIFIER = st.one_of(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: f"{min(p)}-{max(p)}"),
    st.integers(0, 60).map(lambda first: f"{first}-"),
    st.integers(0, 60).map(lambda last: f"-{last}"),
)


@given(st.lists(SPECIFIER, min_size=1, max_size=12), st.integers(0, 50))
def test_the_parts_hold_exactly_the_bytes_asked_for(specifiers: list[str], size: int) -> None:
    wanted: set[int] = set()
    for specifier in specifiers:
        first, _, last = specifier.partition("-")
        if not first:
            wanted |= set(range(max(size - int(last), 0), size))
        else:
            wanted |= set(range(int(first), min(int(last) + 1, size) if last else size))
    try:
        parts = parse_range("bytes=" + ",".join(specifiers), size)
    except UnsatisfiableRangeError:
        assert not wanted
        return
    assert parts is not None
    found = [byte for start, stop in parts for byte in range(start, stop)]
    assert set(found) == wanted
    assert len(found) == len(set(found))
    assert not {part.stop for part in parts} & {part.start for part in parts}


@given(st.text(max_size=40), st.integers(0, 100))
@example("bytes=²-³", 10)
def test_any_text_is_answered_or_refused(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            parts = parse_range(header, size)
        except UnsatisfiableRangeError:
            continue
        assert parts is None or all(0 <= start < stop <= size for start, stop in parts)


@pytest.mark.parametrize(
    ("header", "weakly", "strongly"),
    [
        (TAG, True, True),
        ("*", True, True),
        ('W/"abc"', True, False),
        ('"x", "abc"', True, True),
        ('"x","y"', False, False),
        ("abc", False, False),
        ('"ab"c"', False, False),
        ("", False, False),
    ],
)
def test_tags_are_compared_weakly_and_strongly(header: str, weakly: bool, strongly: bool) -> None:
    assert matches(header, TAG, weakly=True) is weakly
    assert matches(header, TAG, weakly=False) is strongly


@pytest.mark.parametrize(
    ("if_range", "fresh"),
    [
        (None, True),
        (TAG, True),
        ('W/"abc"', False),
        ('"old"', False),
        ("*", False),
        ("Wed, 21 Oct 2026 07:28:00 GMT", False),
    ],
)
def test_a_part_is_only_sent_of_the_same_content(if_range: str | None, fresh: bool) -> None:
    assert is_fresh(if_range, TAG) is fresh
