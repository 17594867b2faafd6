"""Operators' demonstrations take part in `evaluate` and in an arena."""

import json
import shutil
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.files import read_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.reader import Reader
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.store import Store
from tests.arenas import save_policies

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"


@pytest.fixture
def shown(home: Path) -> Path:
    """A data home with two policies of reach and its sample demonstrations."""
    save_policies(home, "old", "new")
    shutil.copytree(SAMPLES / "reach", home / "shown")
    return home


def test_evaluate_reports_demonstrations_beside_the_policy(shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", "old", "-n", "4", "--num-envs", "4", "--with-demonstrations", "shown"]
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["demonstrations"]
    assert found["teachers"]["episodes"] == 24
    assert found["teachers"]["time_to_success"]["value"] > 0
    assert found["success"]["value"] < 0
    assert main(asked) == 0
    assert "The policy succeeds less often than those who showed it" in " ".join(capsys.readouterr().out.split())
    assert main([*asked[:-1], "nowhere"]) == 5
    assert "nowhere" in capsys.readouterr().err


def test_demonstrations_take_part_in_an_arena_blind(shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = ["arena", "--policies", "old", "--seeds", "3", "--judge", "simulated", "--name", "beside"]
    assert main([*begin, "--with-demonstrations", "shown", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = {policy["name"]: policy for policy in found["policies"]}
    assert set(names) == {"old", "demonstrations"}
    assert names["demonstrations"]["success"]["value"] == 1.0
    (pair,) = found["pairs"]
    judged = pair["wins"] if pair["first"] == "demonstrations" else pair["losses"]
    assert judged >= 1  # the simulated teacher errs now and then
    assert pair["wins"] + pair["losses"] + pair["ties"] == 3
    arena = Arena(shown, "beside")
    dataset = Dataset(arena.path / "episodes")
    assert {info.meta.device for info in dataset.list()} == {"policy"}
    assert {info.meta.operator for info in dataset.list()} == {"beside"}
    assert len({path.stat().st_mtime for path in (dataset.path / "episodes").iterdir()}) == 1
    with Store(shown / "feedback.db") as store:
        lengths = {clip.episode_id: clip.length for question in store.questions() for clip in question.segments}
    steps = {info.meta.id: info.length for info in dataset.list()}
    assert all(lengths[name] <= steps[name] for name in lengths)
    again = [*begin, "--with-demonstrations", "shown", "--json"]
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main([*begin[:3], "--seeds", "4", *begin[5:], "--with-demonstrations", "shown", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"] == 4
    assert len(set(read_json(arena.path / "demonstrations.json", dict).values())) == 4


def test_an_arena_that_was_begun_without_them_takes_none(shown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = ["arena", "--policies", "old", "new", "--seeds", "1", "--judge", "simulated", "--name", "duel"]
    assert main(begun) == 0
    assert main([*begun, "--with-demonstrations", "shown"]) != 0
    assert "it was begun without these demonstrations" in capsys.readouterr().err
    assert main(["arena", "--recorded", "shown", "--with-demonstrations", "shown", "--name", "r"]) != 0
    assert "--with-demonstrations" in capsys.readouterr().err
    assert len(Reader(shown / "shown").ids()) == 24
