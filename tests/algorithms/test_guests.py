"""An algorithm in a user's own file, named as my_algorithms:Guess."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.main import main

FILE = '''
from dataclasses import dataclass
from pathlib import Path

from robo_rlhf.algorithms.base import RunAlgorithm


@dataclass(frozen=True, kw_only=True)
class Guess(RunAlgorithm):
    """Guess.

    Example:
        robo-rlhf train my_algorithms:Guess --tries 3
    """

    name = "guess"

    tries: int = 2
    """How often."""

    def train(self, session):
        run = session.open({"tries": self.tries}, {"algorithm": self.name})
        with session.progress("guessing", ("right",)) as progress:
            for done in range(1, self.tries + 1):
                progress(done, self.tries, {"right": 0.5})
        run.finish({"tries": self.tries})
        return [{"run": run.path.name, **run.result()}]

    @classmethod
    def example(cls, home: Path):
        return cls(home=home, tries=10)


class Nothing:
    name = "nothing"
'''


@pytest.fixture
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file in the current folder, and registries that forget it afterwards."""
    (tmp_path / "my_algorithms.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    for registry in (ALGORITHMS, COMMANDS):
        monkeypatch.setattr(registry, "_items", dict(registry._items))
        monkeypatch.setattr(registry, "_words", dict(registry._words))
    yield
    sys.modules.pop("my_algorithms", None)


@pytest.mark.usefixtures("_there")
def test_it_trains_as_one_of_ours(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "my_algorithms:Guess", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "robo-rlhf train my_algorithms:Guess --tries 3" in shown
    assert "How often. (default: 2)" in shown
    assert main(["train", "my_algorithms:Guess", "--tries", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"run": "my_algorithms-Guess", "tries": 3}]
    stored = json.loads((home / "runs" / "my_algorithms-Guess" / "config.json").read_text())
    assert stored["algorithm"] == "my_algorithms:Guess"


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("my_algorithms:Gues", 2, "Did you mean 'Guess'"),
        ("my_algorithms:Nothing", None, "does not derive from robo_rlhf.algorithms.base.Algorithm"),
        ("no_such_module:Guess", None, "no_such_module"),
    ],
)
def test_another_thing_is_refused_in_a_sentence(
    name: str, code: int | None, sentence: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = main(["train", name])
    assert found == code if code is not None else found > 0
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not home.exists()
