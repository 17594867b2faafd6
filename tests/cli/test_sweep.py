import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main, parse
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.cli.sweep import SweepCommand, _words
from robo_rlhf.pipeline.sweep.grid import grid, varied

TINY = [
    "--task",
    "reach",
    "--preset",
    "tiny",
    "--demos",
    "4",
    "--labels",
    "4",
    "--rounds",
    "1",
    "--dataset",
    "samples/reach",
]


def test_a_command_is_written_as_it_was_read() -> None:
    given = [
        *["--task", "stack", "--demos", "3", "--labels", "9", "--minutes", "0", "--set", "clone.updates=5"],
        *["--set", "finetune.objective=learned + 2 * success", "--axes", "speed", "safety", "--proprioception-only"],
        *["--cameras", "front,wrist", "--home", "/data", "--run", "x-1", "--seed", "4", "--json"],
    ]
    read = parse("run", given)
    assert isinstance(read, RunCommand)
    assert parse("run", _words(read)) == read


def test_each_run_takes_the_options_of_the_sweep_and_its_own_settings() -> None:
    read = parse("sweep", ["--vary", "clone.updates=2,3", "--set", "clone.batch=8", "--labels", "30", "--run", "s"])
    assert isinstance(read, SweepCommand)
    cell = grid("s", varied(read.vary), [5])[1]
    command = read.of(cell)
    assert type(command) is RunCommand
    assert {field.name for field in fields(command)} == {field.name for field in fields(RunCommand)}
    assert (command.seed, command.run, command.labels) == (5, "s-2", 30)
    assert command.set == ("clone.batch=8", "clone.updates=3")
    assert command.minutes == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--vary", "clone.updates"], "--vary: expected NAME=VALUE,VALUE"),
        (["--vary", "clone.updatse=2,3"], "clone.updatse"),
        (["--vary", "clone.updates=2,many"], "setting clone.updates: expected a int"),
        (["--seeds", "0"], "--seeds: expected at least 1, got 0"),
        (["--jobs", "0"], "--jobs: expected at least 1, got 0"),
        (["--annotator", "human"], "nobody answers the questions of a sweep"),
        (["--run", "a/b"], "a name without slashes"),
        (["--set", "seed=3"], "--set: expected --seed and --seeds"),
        (["--vary", "episodes=5,6"], "--vary: expected another setting than task, seed, episodes"),
    ],
)
def test_what_is_wrong_is_told_before_any_work(
    given: list[str], sentence: str, reach_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *TINY, "--home", str(reach_home), *given]) == 2
    assert sentence in capsys.readouterr().err
    assert not (reach_home / "runs").exists()


@pytest.mark.slow
def test_a_sweep_gives_the_bits_of_its_runs_alone_and_goes_on_where_it_was_stopped(
    reach_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = shutil.copytree(reach_home, tmp_path / "reach")
    sweep = ["sweep", *TINY, "--home", str(home), "--run", "s", "--seeds", "2", "--vary", "clone.updates=20,30"]
    assert main([*sweep, "--jobs", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sorted(row["name"] for row in rows["runs"]) == ["clone.updates=20", "clone.updates=30"]
    assert rows["failed"] == {}
    assert json.loads((home / "runs/s/result.json").read_text())["runs"] == 4
    alone = [*TINY, "--minutes", "0", "--seed", "1", "--set", "clone.updates=30"]
    assert main(["run", *alone, "--home", str(home), "--run", "alone"]) == 0
    first, second = (
        json.loads((home / "runs" / name / "after" / "result.json").read_text()) for name in ("s-4", "alone")
    )
    assert first["returns"] == second["returns"]
    capsys.readouterr()
    assert main([*sweep, "--seeds", "3"]) == 0
    assert "s-5 (clone.updates=20, seed 2): finished" in capsys.readouterr().err
    assert (home / "runs/s-6/result.json").exists()
