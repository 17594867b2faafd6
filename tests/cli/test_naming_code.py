"""A file never chooses code: no command imports a module that a checkpoint, run, dataset or database names."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from tests.guesting import at_home
from tests.naming_code import THING, fill

RUN, INSIDE = "runs/named/checkpoints/policy.safetensors", "inside.safetensors"
REWARD = "runs/named/checkpoints/reward.safetensors"
COMMANDS = [
    (["evaluate", "named", "-n", "2"], "add --allow writes_a_file"),
    (["evaluate", RUN, "--task", "reach", "-n", "2"], "does not fit"),
    (["evaluate", INSIDE, "-n", "2"], "add --allow writes_a_file"),
    (["rollout", "--env", "reach", "--policy", INSIDE, "-n", "1"], "add --allow writes_a_file"),
    (["run", "--run", "named", "--task", "reach"], ""),
    (["train", "ppo", "--policy", RUN, "--reward", REWARD, "--task", "reach", "--run", "new"], ""),
    (["episodes", "list", "--dataset", "named"], ""),
    (["episodes", "show", "native", "--dataset", "named"], ""),
    (["episodes", "render", "native", "--dataset", "named", "--out", "clip.mp4"], "writes_a_file"),
    (["episodes", "render", "outside", "--dataset", "named", "--out", "clip.mp4"], "writes_a_file"),
    (["episodes", "verify", "--dataset", "named"], ""),
    (["feedback", "questions"], ""),
    (["feedback", "questions", "--run", "run"], ""),
    (["feedback", "stats"], ""),
    (["feedback", "export", "exported"], ""),
    (["arena", "show"], ""),
]


@pytest.fixture
def written(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the module would write; it lies in the current folder, and on the path."""
    fill(home)
    with at_home(tmp_path / "code") as folder:
        monkeypatch.setenv("WRITES_A_FILE", str(tmp_path / "written"))
        for name in ("runs", INSIDE):
            (folder / name).symlink_to(home / name)
        monkeypatch.chdir(folder)
        yield tmp_path / "written"


def test_no_command_imports_what_files_name(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, told in COMMANDS:
        main(command)
        said = capsys.readouterr()
        assert not written.exists(), command
        assert "writes_a_file" not in sys.modules, command
        assert "Traceback" not in said.err, command
        assert told in said.err, (command, said.err)


def test_a_command_line_that_allows_it_imports_it(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "named", "-n", "2", "--allow", "writes_a_file"])
    assert written.read_text() == "imported"
    written.unlink()
    del sys.modules["writes_a_file"]
    assert main(["record", "--task", THING, "--device", "scripted"]) == 2  # it has nothing of that name
    assert written.read_text() == "imported"
