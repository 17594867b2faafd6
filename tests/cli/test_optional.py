from dataclasses import dataclass
from pathlib import Path

import pytest
import tyro

from robo_rlhf.cli.optional import registry


@dataclass(frozen=True)
class Options:
    home: Path | None = None
    task: str | None = None
    count: int | None = None
    share: float | None = 0.5


def read(*args: str) -> Options:
    return tyro.cli(Options, args=args, registry=registry)


def test_what_is_left_out_is_nothing_and_what_is_given_has_its_type() -> None:
    assert read() == Options(None, None, None, 0.5)
    assert read("--home", "a/b", "--task", "None", "--count", "3", "--share", "1e-3") == Options(
        Path("a/b"), "None", 3, 1e-3
    )


def test_help_shows_the_type(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help")
    shown = capsys.readouterr().out
    for words in ("--home PATH", "--task STR", "--count INT", "--share FLOAT", "(default: none)", "(default: 0.5)"):
        assert words in shown


def test_a_word_in_place_of_a_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--count", "many")
    assert "count" in capsys.readouterr().err
