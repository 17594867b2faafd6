"""`robo-rlhf plan`: a plan of demonstrations, kept beside them, and what is refused at the door."""

import json
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.prediction import planning
from robo_rlhf.pipeline.prediction.model import CurvePoint
from robo_rlhf.rollouts.evaluation import SELECTION_SEED, Evaluation
from tests.data.making import episode

EPISODES = 64


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many of 64 episodes the policy cloned from all demonstrations solves; nothing is cloned."""
    found = {"solved": 32}

    def clone(shown: list[object], *_: object) -> tuple[list[CurvePoint], Evaluation]:
        done = np.arange(EPISODES) < found["solved"]
        seeds = tuple(range(SELECTION_SEED, SELECTION_SEED + EPISODES))
        marks = tuple(bool(one) for one in done)
        tried = Evaluation("reach", seeds, marks, marks, (0.0,) * EPISODES, {})
        half = len(shown) // 2
        return [CurvePoint(half, found["solved"] // 2, 64), CurvePoint(len(shown), found["solved"], 64)], tried

    monkeypatch.setattr(planning, "clone_parts", clone)
    return found


def test_a_plan_is_kept_beside_the_demonstrations_and_says_what_saves_most(
    reach_home: Path, tmp_path: Path, rate: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    source = Dataset(reach_home / "samples" / "reach")
    Dataset(home / "own", create=True, task="reach").add_many(source.load_all())
    words = ["plan", "--task", "reach", "--dataset", "own", "--home", str(home)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "reach, 8 demonstrations in own, to 90 % success" in shown
    assert "save most" in shown
    assert "robo-rlhf record --task reach --seed 75000" in shown
    assert "Better demonstrations: demonstrations that succeed: 8" in shown
    kept = json.loads((home / "own" / "plan-reach.json").read_text())
    assert main([*words, "--target", "95", "--json"]) == 0
    higher = json.loads(capsys.readouterr().out)
    assert higher["answers"]["value"] > kept["answers"]["value"] > 0
    rate["solved"] = 62
    assert main([*words, "--json"]) == 0
    better = json.loads(capsys.readouterr().out)
    assert better["success"]["low"] > kept["success"]["low"]
    assert better["answers"]["value"] < kept["answers"]["value"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("--task reech", 2, "Did you mean 'reach'?"),
        ("--task reach --dataset nowhere", 5, "No dataset of demonstrations"),
        ("--task reach --dataset few --target 100", 2, "a success from 1 to 99 %; no number of episodes shows 100 %"),
        ("--task reach --dataset few --cloning 0", 2, "more than 0"),
        ("--task reach --dataset few", 2, "at least 4 successful ones: from fewer it cannot be told"),
    ],
)
def test_what_cannot_be_told_is_refused(
    words: str, code: int, sentence: str, reach_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Dataset(reach_home / "samples" / "reach")
    Dataset(tmp_path / "few", create=True, task="reach").add_many(shown.load_all(sorted(shown.ids())[:3]))
    assert main(["plan", *words.split(), "--home", str(tmp_path)]) == code
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "few" / "plan-reach.json").exists()


def test_observations_of_another_width_are_refused(
    tmp_path: Path, rate: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    made = (episode(f"e{i}", steps=5, seed=i, task="reach", outcome="success") for i in range(5))
    Dataset(tmp_path / "odd", create=True, task="reach").add_many(made)
    assert main(["plan", "--task", "reach", "--dataset", "odd", "--home", str(tmp_path)]) == 2
    assert "6 observation columns" in capsys.readouterr().err
