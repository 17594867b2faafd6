"""What `make` installs: for each target what it needs, once, and anew where a set-up was killed half-way."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 900  # seconds, for one set-up
pytestmark = pytest.mark.slow  # it installs


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout without .venv; gone again afterwards, because it grows large."""
    folder = tmp_path_factory.mktemp("setup") / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "recordings", "__pycache__", ".*_cache", "docs", "tests")
    shutil.copytree(ROOT, folder, ignore=ignored)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def setup(checkout: Path, *part: str, offline: bool = False) -> str:
    """Set up, and return its output; `offline`: nothing may be fetched."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if offline:
        variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "UV_OFFLINE": "1"}
    done = subprocess.run(
        ["bash", ".ci/setup", *part],
        cwd=checkout,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def packages(checkout: Path) -> dict[str, float]:
    """Return the packages that are installed, with the time at which each was."""
    found = checkout.glob(".venv/lib/python*/site-packages/*.dist-info/METADATA")
    return {path.parent.name.partition("-")[0]: path.stat().st_ctime for path in found}


def test_a_set_up_that_was_killed_is_made_whole_by_the_next(checkout: Path) -> None:
    with subprocess.Popen(
        ["bash", ".ci/setup"], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        until = time.monotonic() + PATIENCE
        while not list(checkout.glob(".venv/lib/python*/site-packages/torch")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    half = set(packages(checkout))
    assert "mujoco" not in half

    assert "creating .venv" in setup(checkout)
    assert {"mujoco", "torch", "robo_rlhf"} <= set(packages(checkout))
    assert not {"pytest", "playwright", "ruff", "mypy", "stable_baselines3"} & set(packages(checkout))
    version = subprocess.run(
        [checkout / ".venv/bin/robo-rlhf", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("robo-rlhf ")


def test_what_is_there_stays_and_only_what_is_missing_comes(checkout: Path) -> None:
    setup(checkout)
    assert "installing" not in setup(checkout, offline=True)
    before = packages(checkout)
    told = setup(checkout, "bench")
    after = packages(checkout)
    assert {"pytest", "playwright", "stable_baselines3"} <= set(after)
    assert not {"ruff", "mypy"} & set(after)
    assert {name for name in before if after[name] != before[name]} <= {"robo_rlhf"}
    assert told.count("installing") == 2  # what tests need, and the yardsticks
    for part in ("test", "bench"):
        assert "installing" not in setup(checkout, part, offline=True)


def test_a_part_that_there_is_not_is_refused(checkout: Path) -> None:
    done = subprocess.run(["bash", ".ci/setup", "tests"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == 'setup: expected test, lint, bench or nothing, got "tests"\n'
