"""Native tasks on the versions of MuJoCo that collections of environments pin, and outside environments below."""

from pathlib import Path

import pytest

from tests.mujoco_versions import python_with, run

pytestmark = pytest.mark.slow
NATIVE = ("3.8.1", "3.17.0")  # before and with `mujoco.batch`
TOO_OLD = "3.3.0"
CONTRACTS = (
    "tests/sim/physics/test_thread_batch.py",
    "tests/contracts/test_tasks.py",
    "tests/contracts/test_robots.py",
)


@pytest.mark.parametrize("version", NATIVE)
def test_tasks_and_robots_keep_their_contracts(version: str, tmp_path: Path) -> None:
    python = python_with(version, tmp_path / "venv")
    tested = run(python, "pytest", "-q", "-p", "no:cacheprovider", *CONTRACTS, home=tmp_path)
    assert tested.returncode == 0, tested.stdout[-4000:]
    words = ("--task", "lift", "--robot", "arm6", "--device", "scripted", "--episodes", "2", "--no-pace")
    recorded = run(python, "robo_rlhf.cli.main", "record", *words, "--only-successes", home=tmp_path)
    assert recorded.returncode == 0, recorded.stderr
    found = list(tmp_path.glob("lift@arm6/episodes/**/*.parquet"))
    assert len(found) == 2


def test_below_the_oldest_tasks_are_refused_in_a_sentence_and_outside_environments_work(tmp_path: Path) -> None:
    python = python_with(TOO_OLD, tmp_path / "venv")
    words = ("--task", "lift", "--device", "scripted", "--episodes", "1", "--no-pace")
    refused = run(python, "robo_rlhf.cli.main", "record", *words, home=tmp_path)
    assert refused.returncode != 0
    assert f"error: MuJoCo 3.8 (installed: {TOO_OLD}) is missing; a task of this project needs it." in refused.stderr
    assert "Traceback" not in refused.stderr
    (tmp_path / "resting.py").write_text("import numpy as np\n\n\ndef rest(obs):\n    return np.zeros(7)\n")
    outside = ("--env", "Pusher-v5", "--policy", "resting:rest", "--episodes", "1")
    made = run(python, "robo_rlhf.cli.main", "rollout", *outside, home=tmp_path, folder=tmp_path)
    assert made.returncode == 0, made.stderr
