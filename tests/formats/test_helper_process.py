"""What the helper process does with errors, and with its own end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.formats.helper_process import apart, one_apart

PLACE = Path("a/set.hdf5")


def counting(last: int, end: str = "") -> Iterator[int]:
    yield from range(last)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGSEGV)
    if end == "refused":
        raise InvalidValueError("the set", "three", "two")
    if end == "bug":
        raise ZeroDivisionError
    if end == "missing":
        open("/nowhere/at/all")  # noqa: SIM115


def test_values_come_one_after_another() -> None:
    assert list(apart(PLACE, counting, 3)) == [0, 1, 2]
    assert one_apart(PLACE, counting, 10**9) == 0


def test_its_death_is_a_sentence() -> None:
    with pytest.raises(
        CorruptFileError,
        match=r"a/set.hdf5 .*ended \(killed by signal 11 at test_helper_process.py, line \d+\), after 0 episodes",
    ):
        list(apart(PLACE, counting, 2, end="killed"))


def test_errors_are_those_raised_there() -> None:
    with pytest.raises(InvalidValueError, match="the set: expected two, got three"):
        list(apart(PLACE, counting, 0, end="refused"))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(apart(PLACE, counting, 0, end="bug"))
    with pytest.raises(FileNotFoundError) as found:
        list(apart(PLACE, counting, 0, end="missing"))
    assert found.value.filename == "/nowhere/at/all"
