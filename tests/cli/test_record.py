"""`robo-rlhf record` and `robo-rlhf samples`, on native tasks."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.recovery import RECOVERED
from tests.data.making import check_equal

RECORD = ["record", "--task", "reach", "--device", "scripted", "--no-pace", "--json"]


def test_record_goes_on_with_the_seeds_that_follow(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RECORD, "-n", "2"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["recorded"], row["kept"], row["successes"]) == (2, 2, 2)
    assert main([*RECORD, "-n", "1"]) == 0
    dataset = Dataset(home / "reach")
    assert [info.meta.seed for info in dataset.list()] == [0, 1, 2]
    assert {info.meta.operator for info in dataset.list()} == {"scripted"}


def test_record_into_a_dataset_from_a_seed_by_somebody(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RECORD, "-n", "1", "--dataset", "mine", "--seed", "40", "--operator", "ada"]) == 0
    (info,) = Dataset(home / "mine").list()
    assert (info.meta.seed, info.meta.operator, info.meta.device) == (40, "ada", "scripted")


def test_failures_are_kept_unless_only_successes_are_wanted(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "teleop.session.state_machine.PATIENCE", 0.2
    )  # 12 steps: too few for some, enough for none to hold
    assert main([*RECORD, "-n", "3"]) == 0
    failed = [info.meta.seed for info in Dataset(home / "reach").list(outcome="failure")]
    assert 0 < len(failed) <= 3
    assert main([*RECORD, "-n", "1", "--only-successes", "--dataset", "good"]) == 0
    good = Dataset(home / "good")
    assert {info.meta.outcome for info in good.list()} == {"success"}
    assert len(good) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "reech"], "Unknown task 'reech'. Did you mean 'reach'?"),
        (["--task", "reach", "--device", "scriptet"], "Unknown device 'scriptet'. Did you mean 'scripted'?"),
        (["--task", "reach", "--episodes", "0"], "--episodes: expected at least 1, got 0"),
        (["--task", "reach", "--seed", "-1"], "--seed: expected a seed from 0 to"),
    ],
)
def test_record_refuses_what_is_wrong_before_it_makes_anything(
    home: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", *options]) == 2
    assert message in capsys.readouterr().err
    assert not home.exists()


def recording(home: Path) -> subprocess.Popen[str]:
    """Record at pace, in a process of its own, until it is stopped; one episode is over, another has begun."""
    command = [
        sys.executable,
        "-m",
        "robo_rlhf.cli.main",
        "record",
        "--task",
        "reach",
        "--device",
        "scripted",
        "-n",
        "50",
    ]
    command += ["--home", str(home)]
    victim = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "80"}
    )
    deadline = time.monotonic() + 60
    while not (list(home.glob("reach/episodes/*.parquet")) and _is_open(home)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return victim


def _is_open(home: Path) -> bool:
    """Whether an episode is being recorded and its first steps are on the disk."""
    closed = {path.stem for path in home.glob("reach/episodes/*.parquet")}
    with contextlib.suppress(FileNotFoundError):  # one that was closed between being listed and looked at
        return any(path.stem not in closed and path.stat().st_size for path in home.glob("reach/journal/*.arrows"))
    return False


def test_kill_9_loses_no_episode(home: Path) -> None:
    victim = recording(home)
    victim.kill()
    victim.communicate()
    journals = list(home.glob("reach/journal/*.arrows"))
    closed = {path.stem for path in home.glob("reach/episodes/*.parquet")}
    dataset = Dataset(home / "reach")
    assert closed
    assert len(dataset.recovery.recovered) == len(journals) == 1
    assert all(dataset.load(episode_id).meta.outcome in ("success", "failure") for episode_id in closed)
    for episode_id in dataset.recovery.recovered:
        found = dataset.load(episode_id)
        assert (found.meta.outcome, found.meta.tags) == ("aborted", (RECOVERED,))
    assert set(dataset) == closed | set(dataset.recovery.recovered)
    assert not dataset.recovery.problems
    # recording goes on, and what was recorded before is still what its seed gives
    assert main([*RECORD, "-n", "1", "--seed", "0", "--dataset", "again"]) == 0
    (again,) = Dataset(home / "again").load_all()
    check_equal(dataset.load(min(closed)), again)


def test_ctrl_c_keeps_all_episodes(home: Path) -> None:
    victim = recording(home)
    victim.send_signal(signal.SIGINT)
    out, err = victim.communicate(timeout=60)
    assert victim.returncode == 130
    dataset = Dataset(home / "reach")
    assert not dataset.recovery.recovered  # the open one was closed, as aborted
    outcomes = [info.meta.outcome for info in dataset.list()]
    assert outcomes[0] == "success"
    assert outcomes.count("aborted") <= 1
    assert "recorded" in out
    assert "stopped" in err


def test_samples_are_the_first_seeds_that_succeed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["samples", "--tasks", "reach", "--episodes", "3", "--no-pace", "--json", "--sessions"]
    assert main([*command, "1"]) == 0
    first = list(Dataset(home / "samples" / "reach").load_all())
    assert main([*command, "2"]) == 0  # in the place of those before
    (row,) = json.loads(capsys.readouterr().out.partition("]\n")[2])
    assert (row["task"], row["wanted"], row["kept"]) == ("reach", 3, 3)
    for one, other in zip(first, Dataset(home / "samples" / "reach").load_all(), strict=True):
        check_equal(one, other)
        assert one.meta.id == other.meta.id
        assert (one.meta.outcome, one.meta.tags) == ("success", ("sample",))
    assert [path.name for path in home.iterdir()] == ["samples"]  # nothing left over


def test_samples_refuse_an_unknown_task(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "--tasks", "reach", "stak"]) == 2
    assert "Did you mean 'stack'?" in capsys.readouterr().err
    assert not home.exists()


def test_recorded_under_conditions_and_replayed_as_it_was_sent(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = ["--delay-actions", "1", "--sensor-noise", "0.01", "--speed-limit", "0.9"]
    assert main([*RECORD, "-n", "1", *late, "--dataset", "late"]) == 0
    (episode,) = Dataset(home / "late").load_all()
    assert json.loads(episode.meta.versions["conditions"]) == {
        "delay_actions": 1, "sensor_noise": 0.01, "speed_limit": 0.9,
    }  # fmt: skip
    replay = ["record", "--task", "reach", "--device", "replay", "--no-pace", "--json"]
    assert main([*replay, "--set", f"episode=late/{episode.meta.id}", *late, "--dataset", "again"]) == 0
    (again,) = Dataset(home / "again").load_all()
    assert again.state.tobytes() == episode.state.tobytes()
    assert again.obs.tobytes() == episode.obs.tobytes()
    capsys.readouterr()
    assert main(["record", "--task", "reach", "--device", "scripted", "--drop-frames", "1"]) == 2
    assert "a share from 0 to less than 1" in capsys.readouterr().err
