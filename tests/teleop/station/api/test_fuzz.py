"""Requests made up from the description of the API: whatever comes, no 5xx, and every answer as it is described."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import robo_rlhf
from robo_rlhf.accounts.roles import ROLES

ROOT = Path(robo_rlhf.__file__).parents[1]
PHASES = "examples,coverage,fuzzing,stateful"
LEAST = 3400  # requests of each role; of all three more than 10,000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    command = [sys.executable, "-m", "tests.teleop.station.api.fuzzed", str(tmp_path / "home")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.kill()


def fuzz(served: Any, role: str, where: Path, *options: str) -> int:
    """Run Schemathesis as a role and return how many requests it made; fails with what it found."""
    command = [str(Path(sys.executable).with_name("st")), "--no-color", "run"]
    command += [f"{served['address']}/api/v1/openapi.json", "-H", f"Authorization: Bearer {served['tokens'][role]}"]
    # what fits the description and makes no sense, such as an answer of another kind, is refused: it is no finding
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--generation-database", "none"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.teleop.station.api.fuzz_hooks", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options], cwd=where, env={**os.environ, **hooks}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found is not None, done.stdout
    return int(found[1].replace(",", ""))


def test_some_requests_of_an_operator(served: Any, tmp_path: Path) -> None:
    options = ("--phases", "fuzzing,stateful", "--max-examples", "1", "--seed", "1", "--no-shrink")
    assert fuzz(served, "operator", tmp_path, *options) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_thousands_of_requests(role: str, served: Any, tmp_path: Path) -> None:
    assert fuzz(served, role, tmp_path, "--phases", PHASES, "--max-examples", "40", "--continue-on-failure") >= LEAST
