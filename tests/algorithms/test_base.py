"""A new algorithm is one file: its command, help and run folder follow from it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import tyro

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.algorithms.base import Row, RunAlgorithm, Session
from robo_rlhf.cli import COMMANDS, CONTINUES
from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import InvalidValueError


@dataclass(frozen=True)
class CountingSettings:
    """Settings of counting."""

    steps: int = 3
    """Steps that are counted."""


@dataclass(frozen=True, kw_only=True)
class Counting(RunAlgorithm):
    """Count steps.

    Example:
        robo-rlhf train counting --word three
    """

    name: ClassVar = "counting"

    word: str
    """What is written into the result."""
    config: Annotated[CountingSettings, tyro.conf.arg(name="")] = field(default_factory=CountingSettings)
    """Settings of the algorithm."""

    def check(self) -> None:
        if self.word == "none":
            raise InvalidValueError("--word", self.word, "another word")

    def train(self, session: Session) -> list[Row]:
        run = session.open(self.config, {"algorithm": self.name, "word": self.word})
        with session.progress("counting", ("count",)) as progress:
            for done in range(1, self.config.steps + 1):
                run.log(done, {"count": done})
                progress(done, self.config.steps, {"count": done})
        session.tell("counted")
        run.finish({"word": self.word})
        return [{"run": run.path.name, **(run.result() or {})}]

    @classmethod
    def example(cls, home: Path) -> "Counting":
        return cls(word="ten", home=home, config=CountingSettings(10))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (ALGORITHMS, COMMANDS):
        monkeypatch.setattr(registry, "_items", dict(registry._items))
    registry_of_algorithms: Any = ALGORITHMS
    registry_of_algorithms.register("counting")(Counting)


def test_its_command_is_listed_explained_and_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "train counting" in COMMANDS
    assert main(["train", "--help"]) == 0
    assert "train counting" in capsys.readouterr().out
    assert main(["train", "counting", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example:\n    robo-rlhf train counting --word three" in shown
    assert "Steps that are counted. (default: 3)" in shown
    assert main(["train", "counting", "--word", "four", "--steps", "4", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == [{"run": "counting", "word": "four"}]
    assert "counted" in told.err
    folder = home / "runs" / "counting"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 4
    stored = json.loads((folder / "config.json").read_text())
    assert (stored["steps"], stored["word"], stored["algorithm"]) == (4, "four", "counting")
    assert COMMANDS["train counting"].stopped == CONTINUES  # type: ignore[attr-defined]


def test_it_is_refused_before_anything_is_made(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "counting", "--word", "none"]) == 2
    assert "--word: expected another word, got none." in capsys.readouterr().err
    assert main(["train", "countin", "--word", "x"]) == 2
    assert "Did you mean 'train counting'" in capsys.readouterr().err
    assert not home.exists()
