"""How soon a command answers, in seconds of the processor: `make bench ARGS=tests/benchmarks/bench_start.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robo_rlhf.cli import COMMANDS
from tests.cli.test_doors import REFUSED, ROOT, measured

pytestmark = pytest.mark.bench
REFUSAL, START, OVERVIEW = 0.2, 1.5, 0.5  # [s] after the command line is read; of a whole process; of `--help` alone


def test_what_is_wrong_is_refused_soon(tmp_path: Path) -> None:
    took = {line: seconds for line, (_, seconds, *_) in list(measured(tmp_path / "home").items())[1:]}
    slowest = max(REFUSED, key=lambda line: took.get(line, 0.0))
    print(f"slowest of {len(REFUSED)} refusals: {took[slowest]:.3f} s, {slowest}")
    assert took[slowest] <= REFUSAL


def test_every_command_starts_soon() -> None:
    took = {}
    for line in ["--help", *(f"{name} --help" for name in COMMANDS), "train sac --nonsense", "evaluate nowhere"]:
        before = os.times()
        program = [sys.executable, "-m", "robo_rlhf.cli.main", *line.split()]
        subprocess.run(program, capture_output=True, cwd=ROOT, check=False)
        after = os.times()
        took[line] = after.children_user + after.children_system - before.children_user - before.children_system
    slowest = max(took, key=lambda line: took[line])
    print(f"--help {took['--help']:.2f} s; slowest of {len(took)}: {took[slowest]:.2f} s, {slowest}")
    assert took[slowest] <= START
    assert took["--help"] <= OVERVIEW
