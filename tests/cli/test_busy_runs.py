"""Two processes on one run: the second is refused before it reads anything."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import BusyError
from robo_rlhf.core.runs import Run
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.processes.heartbeat import held, keep_heartbeat
from tests.locking import elsewhere

POLICY = str(Path(__file__).parents[1] / "golden/eee734f/policies/01-flow.safetensors")
COMMANDS = [
    ["run", "--task", "reach", "--run", "busy"],
    ["train", "bc", "--task", "reach", "--run", "busy"],
    ["train", "dagger", "--task", "reach", "--corrections", "samples/reach", "--run", "busy"],
    ["train", "ppo", "--policy", "none", "--objective", "task", "--run", "busy"],
    ["train", "sac", "--task", "reach", "--objective", "task", "--run", "busy"],
    ["train", "reward", "--task", "reach", "--run", "busy"],
    ["arena", "--policies", POLICY, POLICY, "--name", "busy"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_the_second_is_refused_before_it_reads(
    command: list[str],
    home: Path,
    reach_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which inputs there are is checked before; none of them is read."""
    shutil.copytree(reach_home, home)
    monkeypatch.setattr(Dataset, "load", lambda *_: pytest.fail("an episode was read"))
    elsewhere(home / "runs" / "busy" / "alive.json")
    assert main(command) == BusyError.exit_code
    error = capsys.readouterr().err
    assert re.match(rf"error: The run busy is busy: process {os.getppid()} on \S+ holds it; stop that one, or", error)
    assert [path.name for path in (home / "runs" / "busy").iterdir() if path.name[0] != "."] == ["alive.json"]


def test_a_stage_is_part_of_its_run(tmp_path: Path) -> None:
    Run(tmp_path / "main", {})
    elsewhere(tmp_path / "main" / "alive.json")
    stage = held(tmp_path / "main" / "round-1")
    with pytest.raises(BusyError, match="The run main, which shares files with round-1, is busy"), stage:
        pass
    elsewhere(tmp_path / "main" / "alive.json", started="1")
    elsewhere(tmp_path / "main" / "round-1" / "finetune" / "alive.json")
    with pytest.raises(BusyError, match="The run finetune, which shares files with main,"), held(tmp_path / "main"):
        pass


def test_what_never_began_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no data"), held(tmp_path / "runs" / "new"):
        raise ValueError("no data")
    assert list(tmp_path.iterdir()) == []


def test_other_settings_leave_the_heartbeat_as_it_was(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {"updates": 1})
    with pytest.raises(ValueError, match="why"), keep_heartbeat(run):
        raise ValueError("why")
    with pytest.raises(ValueError, match="settings"), held(run.path):
        raise ValueError("settings")
    found = json.loads((run.path / "alive.json").read_text())
    assert (found["state"], found["why"]) == ("failed", "why")
