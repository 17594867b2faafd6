"""`robo-rlhf train value` on demonstrations of a native task."""

import json
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.rewards.value import load_value


def test_learns_how_near_success_is(reach_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "value.safetensors"
    command = ["train", "value", "--task", "reach", "--home", str(reach_home), "--out", str(out), "--gamma", "0.9"]
    assert main([*command, "--updates", "200", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["episodes"] == 8
    assert row["at the start"] < 0.5 < row["at the end"]
    assert load_value(out).obs_dim > 0


def test_without_episodes_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "value", "--task", "lift", "--home", str(tmp_path)]) == 5
    assert "No dataset 'samples/lift'" in capsys.readouterr().err
