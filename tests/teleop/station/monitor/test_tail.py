import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleop.station.monitor import tail as tails
from teleop.station.monitor.tail import Tail, numbers


def write(path: Path, start: int, stop: int, pad: int = 0) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps({"step": i, "pad": "x" * pad}) + "\n" for i in range(start, stop))


def steps(tail: Tail) -> list[int]:
    return [row["step"] for row in tail.newest()]


def test_few_rows_are_all_kept_and_news_is_read_from_where_reading_stopped(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    tail = Tail(path, 100)
    assert not tail.refresh()
    write(path, 0, 5)
    assert tail.refresh()
    assert not tail.refresh()
    assert steps(tail) == [0, 1, 2, 3, 4]
    with path.open("a") as file:
        file.write('{"step": 5')  # half a line
    assert not tail.refresh()
    with path.open("a") as file:
        file.write(', "pad": ""}\n')
    assert tail.refresh()
    assert steps(tail) == [0, 1, 2, 3, 4, 5]
    assert tail.epoch == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(4, 40), st.integers(0, 30), st.booleans())
def test_what_is_kept_does_not_depend_on_when_it_was_looked_at(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], most: int, pad: int, gulps: bool
) -> None:
    path, before = tmp_path_factory.mktemp("tail") / "rows", tails.GULP
    tails.GULP = 64 if gulps else before  # of more news than that, each stretch is visited
    try:
        often, total = Tail(path, most), 0
        for part in parts:
            write(path, total, total + part, pad)
            total += part
            often.refresh()
        once = Tail(path, most)
        once.refresh()
    finally:
        tails.GULP = before
    if not total:
        return
    assert steps(often) == steps(once)
    assert len(once.rows) <= most
    assert steps(once)[-1] == total - 1
    assert steps(once) == sorted(set(steps(once)))
    if total > 2 * most:
        gaps = [b - a for a, b in zip(steps(once)[:-2], steps(once)[1:-1], strict=True)]
        assert max(gaps) <= 2 * min(gaps) + 2
        assert len(once.rows) >= most / 4


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    write(path, 0, 50)
    tail = Tail(path, 100)
    tail.refresh()
    write(tmp_path / "new", 0, 20)
    os.replace(tmp_path / "new", path)
    assert tail.refresh()
    assert (steps(tail), tail.epoch) == (list(range(20)), 1)
    path.unlink()
    assert tail.refresh()
    assert steps(tail) == []


def test_what_is_no_row_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text('[1]\nnothing\n{"step": 1}\n\n{"step": 2, "loss": NaN}\n')
    tail = Tail(path, 10)
    tail.refresh()
    assert steps(tail) == [1, 2]
    assert numbers(tail.rows[1]) == {"step": 2.0}
