"""A job that is killed at any instant and resumed ends bit for bit as an uninterrupted one."""

import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from tests.forking import PATIENCE, Forked, forked
from tests.pipeline.making import fresh_home, traces

SLOW_ENOUGH = ("--set", "clone.updates=400", "--set", "finetune.iterations=8", "--set", "reward.fit.updates=80")
OPTIONS = ("--task", "reach", "--demos", "4", "--labels", "24", "--rounds", "2", "--preset", "tiny", *SLOW_ENOUGH)
MOMENTS = {  # a stage, and the file whose appearance says that it is at work
    "clone": "clone/checkpoints/training.safetensors",
    "collect": "round-1/collect/config.json",
    "reward": "round-1/reward/config.json",
    "finetune": "round-1/finetune/checkpoints/training.safetensors",
    "finetune again": "round-2/finetune/metrics.jsonl",
}

FLOW = ("--set", "clone.policy=flow")  # what the default job clones: a frozen flow with a correction on top


def command(home: Path, *more: str) -> list[str]:
    return ["run", *OPTIONS, *more, "--run", "job", "--home", str(home)]


def start(home: Path, *more: str) -> Forked:
    return forked(command(home, *more), home.with_name(f"{home.name}-errors"))


def wait_for(file: Path, process: Forked) -> None:
    """Wait until a file is there, while the process works."""
    until = time.monotonic() + PATIENCE
    while not file.exists():
        assert process.poll() is None, process.errors()
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(reach_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = fresh_home(reach_home, tmp_path_factory.mktemp("undisturbed") / "home")
    assert main(command(home)) == 0
    return home


def kill_at(stages: Iterable[str], home: Path) -> None:
    """Start the job and kill it, once in each of `stages`."""
    for stage in stages:
        process = start(home)
        wait_for(home / "runs" / "job" / MOMENTS[stage], process)
        code, _ = process.end(signal.SIGKILL)
        assert code == -signal.SIGKILL, f"{stage} was over too soon"


def test_a_job_that_is_killed_or_told_to_stop_ends_as_if_nothing_had_happened(
    undisturbed: Path, reach_home: Path, tmp_path: Path
) -> None:
    """Killed as it clones, stopped by Ctrl-C as it fine-tunes, and killed as it fine-tunes again."""
    home = fresh_home(reach_home, tmp_path / "home")
    kill_at(["clone"], home)
    process = start(home)
    wait_for(home / "runs" / "job" / "round-1" / "finetune" / "metrics.jsonl", process)
    code, said = process.end(signal.SIGINT)
    assert code == 130
    assert said.splitlines()[-1] == "stopped; run the same command to continue"
    assert "Traceback" not in said
    kill_at(["finetune again"], home)
    code, said = start(home).end()
    assert code == 0, said
    assert traces(home / "runs" / "job") == traces(undisturbed / "runs" / "job")


@pytest.mark.slow
def test_a_job_that_is_killed_in_every_stage_ends_as_if_nothing_had_happened(
    undisturbed: Path, reach_home: Path, tmp_path: Path
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    kill_at(MOMENTS, home)
    code, said = start(home).end()
    assert code == 0, said
    assert traces(home / "runs" / "job") == traces(undisturbed / "runs" / "job")


@pytest.mark.slow
def test_a_correction_on_top_of_a_flow_goes_on_as_if_nothing_had_happened(reach_home: Path, tmp_path: Path) -> None:
    home, left_alone = (fresh_home(reach_home, tmp_path / name) for name in ("home", "left alone"))
    code, said = start(left_alone, *FLOW).end()
    assert code == 0, said
    process = start(home, *FLOW)
    wait_for(home / "runs" / "job" / "round-2" / "finetune" / "metrics.jsonl", process)
    assert process.end(signal.SIGKILL)[0] == -signal.SIGKILL, "it was over too soon"
    code, said = start(home, *FLOW).end()
    assert code == 0, said
    assert traces(home / "runs" / "job") == traces(left_alone / "runs" / "job")


def test_a_finished_job_is_told_again_and_nothing_is_written(undisturbed: Path) -> None:
    run = undisturbed / "runs" / "job"
    stamps = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(command(undisturbed)) == 0
    assert stamps == {path: path.stat().st_mtime_ns for path in run.rglob("*")}
