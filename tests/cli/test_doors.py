"""Errors of a command line are reported at once: before heavy imports, and before anything is written."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli import COMMANDS
from robo_rlhf.cli.main import main
from robo_rlhf.core.checks import LARGEST_SEED

ROOT = Path(__file__).parents[2]
WRONG_NAMES = ("..", "../x", "a/../b", "/tmp/x", "a//b", ".hidden", "x ", " x", "a\nb", "a\\b", "x" * 300)
SEEDS = (-1, LARGEST_SEED + 1, 2**63 - 1, 2**64)
SEEDED = (  # every command with a seed
    "run --task reach --seed {}",
    "run --task reach --set seed={}",
    "record --task reach --device scripted --seed {}",
    "rollout --env reach --policy a:b --seed {}",
    "train bc --task reach --seed {}",
    "train dagger --task reach --corrections x --clone.seed {}",
    "train ppo --policy x --objective success --seed {}",
    "train sac --task reach --objective success --seed {}",
    "train reward --task reach --seed {}",
    "train value --task reach --seed {}",
    "evaluate x --policy-seed {}",
)
RUNS = (  # every command that makes a run
    "run --task reach",
    "train bc --task reach",
    "train dagger --task reach --corrections x",
    "train ppo --policy x --objective success",
    "train sac --task reach --objective success",
    "train reward --task reach",
)
DATASETS = (  # every option that names a dataset
    "record --task reach --device scripted --dataset",
    "rollout --env reach --policy a:b --dataset",
    "run --task reach --dataset",
    "train bc --task reach --dataset",
    "train dagger --task reach --corrections",
    "train sac --task reach --objective success --dataset",
    "train reward --task reach --demonstrations",
    "train reward --task reach --marked",
    "train reward --task reach --unlabeled-from",
    "train value --task reach --dataset",
    "episodes list --dataset",
    "episodes delete x --dataset",
)
REFUSED = {  # what is not there or cannot be → the exit code
    "run --task reech": 2,
    "run --task reach --preset nonsense": 2,
    "run --task reach --set clone.policy=nonsense": 2,
    "run --task reach --dataset nowhere": 5,
    "run --env Reacher-v5": 5,
    "record --task reech": 2,
    "record --task reach --device nonsense": 2,
    "record --task reach --dataset runs/x": 2,
    "record --task reach --dataset x/trash": 2,
    "rollout --env reech --policy a:b": 2,
    "rollout --env reach --policy nowhere": 5,
    "rollout --env reach --policy a:b --noise nan": 2,
    "samples --tasks reach reech": 2,
    "evaluate nowhere": 5,
    "evaluate nowhere --task reech": 2,
    "arena --policies nowhere other --name x": 5,
    "arena --policies a b --name ../x": 2,
    "train bc --task reech": 2,
    "train bc --task reach --dataset nowhere": 5,
    "train bc --task reach --policy nonsense": 2,
    "train dagger --task reach --corrections nowhere": 5,
    "train ppo --policy nowhere --objective success": 5,
    "train ppo --policy nowhere --objective 3*nonsense": 2,
    "train sac --objective success": 2,
    "train sac --task reach --objective success --dataset nowhere": 5,
    "train reward --task reach --reward nonsense": 2,
    "train reward --task reach": 5,
    "train value --task reach --dataset nowhere": 5,
    "episodes list --dataset nowhere": 5,
    "serve --port 70000": 2,
    "doctor --require nonsense": 2,
    "team add bert --url station": 2,
}
MEASURE = """
import contextlib, io, json, os, sys, time
from robo_rlhf.cli.main import main
found = {}
for line in json.load(sys.stdin):
    before = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(line)
    heavy = [name for name in ("torch", "mujoco", "sqlalchemy") if name in sys.modules]
    found[" ".join(line)] = [code, time.process_time() - before, heavy, said.getvalue()]
print(json.dumps(found))
"""


EXPLAINED = [[*name.split(), "--help"] for name in COMMANDS]
UNKNOWN = [[*name.split(), "--nonsense"] for name in COMMANDS]


def refuse(line: str, code: int, capsys: pytest.CaptureFixture[str], home: Path) -> str:
    """Run a line that is refused, and return the one line that says so; nothing was made."""
    assert main(shlex.split(line)) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1, said
    assert not home.exists()
    return said


@pytest.mark.parametrize("line", SEEDED)
def test_one_range_of_seeds_for_all(line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in SEEDS:
        said = refuse(line.format(seed), 2, capsys, home)
        assert f"seed: expected a seed from 0 to {LARGEST_SEED}, got {seed}." in said


@pytest.mark.parametrize("line", RUNS)
def test_one_rule_of_names_for_all_runs(line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*WRONG_NAMES, "a/b"):
        assert "--run: expected a name without slashes" in refuse(f"{line} --run {shlex.quote(name)}", 2, capsys, home)


@pytest.mark.parametrize("line", DATASETS)
def test_one_rule_of_names_for_all_datasets(line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in WRONG_NAMES:
        said = refuse(f"{line} {shlex.quote(name)}", 2, capsys, home)
        assert f"{line.split()[-1]}: expected a name below the data home such as kitchen/monday" in said


def test_no_text_that_cannot_be_written_and_no_number_beyond_all(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = os.fsdecode(b"a\xff")  # as Python hands over what is no UTF-8
    for line in (["episodes", "tag", "x", "--note", broken], ["record", "--task", "reach", "--operator", broken]):
        assert main(line) == 2
        assert "expected text in UTF-8 without NUL" in capsys.readouterr().err
    assert "--updates: expected a whole number" in refuse(f"train bc --task reach --updates {10**30}", 2, capsys, home)
    assert "finite number" in refuse("train bc --task reach --learning-rate inf", 2, capsys, home)
    monkeypatch.setenv("ROBO_RLHF_DATABASE", broken)
    assert main(["team", "list"]) == 2
    assert "$ROBO_RLHF_DATABASE: expected text in UTF-8" in capsys.readouterr().err


def measured(home: Path) -> dict[str, list[Any]]:
    """Return what came of the explanations of all commands and of what each refuses, all of it in one process."""
    lines = [*EXPLAINED, *UNKNOWN, *map(shlex.split, REFUSED)]
    environment = {**os.environ, "ROBO_RLHF_HOME": str(home)}
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(
        command, input=json.dumps(lines), capture_output=True, text=True, cwd=ROOT, env=environment, check=True
    )
    found: dict[str, list[Any]] = json.loads(done.stdout)
    return found


def test_what_is_wrong_is_told_and_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    found = measured(tmp_path / "home")
    wanted = {" ".join(line): 0 for line in EXPLAINED} | {" ".join(line): 2 for line in UNKNOWN} | REFUSED
    assert {line: code for line, (code, *_) in found.items()} == wanted
    assert {line: heavy for line, (_, _, heavy, _) in found.items() if heavy} == {}
    assert all(found[line][3].startswith("error: ") and found[line][3].count("\n") == 1 for line in REFUSED)
    assert not (tmp_path / "home").exists()
