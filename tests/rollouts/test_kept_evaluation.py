"""An evaluation that is stopped: what ended is kept, and the same request gives what an unstopped one gives."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import CorruptFileError, DiskError, EnvironmentFaultError, FileWarning
from robo_rlhf.core.learning import seeded
from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.rollouts.evaluation import evaluate
from robo_rlhf.rollouts.kept_evaluation import KeptResults, evaluate_keeping
from robo_rlhf.rollouts.turns import random_states, set_random_states
from tests.arenas import save_policies
from tests.toy import ToyEnv

SEEDS = np.arange(7)
REQUEST = {"task": "toy"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"any")
    return path


def make_policy() -> FlowPolicy:
    with seeded(0):
        return FlowPolicy(6, 2, width=16)


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
def test_stopped_at_any_time_and_continued_equals_unstopped(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Three batches, each stored at its begin and its end; the stop comes before or after it is on the disk."""
    policy = make_policy()
    whole = evaluate(ToyEnv(3), policy, SEEDS, policy_seed=1)
    write, calls = KeptResults.write, list[int]()

    def stopping(kept: KeptResults) -> None:
        calls.append(len(kept.done))
        if len(calls) == stop and stop % 2:
            raise KeyboardInterrupt
        write(kept)
        if len(calls) == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeptResults, "write", stopping)
        kept = KeptResults(checkpoint, REQUEST)
        with pytest.raises(KeyboardInterrupt):
            evaluate_keeping(ToyEnv(3), policy, SEEDS, kept, policy_seed=1)
    kept = KeptResults(checkpoint, REQUEST)
    assert len(kept.done) == [0, 3, 3, 6, 6, 7][stop - 1]
    steps = list[int]()
    policy = make_policy()  # as in a new process
    again = evaluate_keeping(ToyEnv(3), policy, SEEDS, kept, policy_seed=1, on_step=steps.append)
    assert again == whole
    assert steps.count(0) == -(-(7 - [0, 3, 3, 6, 6, 7][stop - 1]) // 3)
    kept.remove()
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_the_random_numbers_of_a_base_are_kept_too() -> None:
    made = ResidualPolicy(6, 2, base_kind="flow", base_settings={"width": 16})
    before = random_states(made)
    assert before.keys() == {"", "base"}
    made.reset(2)
    first = made.act(np.zeros((2, 6), np.float32))
    set_random_states(made, before)
    made.reset(2)
    np.testing.assert_array_equal(made.act(np.zeros((2, 6), np.float32)), first)


def test_another_request_or_another_policy_starts_anew(checkpoint: Path) -> None:
    first = KeptResults(checkpoint, REQUEST).file
    assert KeptResults(checkpoint, {"task": "other"}).file != first
    checkpoint.write_bytes(b"other")
    assert KeptResults(checkpoint, REQUEST).file != first


def test_damage_is_told(checkpoint: Path) -> None:
    kept = KeptResults(checkpoint, REQUEST)
    evaluate_keeping(ToyEnv(3), make_policy(), SEEDS[:2], kept)
    content = kept.file.read_bytes()
    kept.file.write_bytes(content.replace(b'"seed": 1', b'"seed": 2'))
    with pytest.raises(CorruptFileError, match="Remove it; the evaluation then starts over"):
        KeptResults(checkpoint, REQUEST)


def test_a_disk_that_takes_nothing_costs_only_the_keeping(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **more: object) -> None:
        raise DiskError(path, OSError(errno.EROFS, "Read-only file system"))

    for name in ("write_json", "remove"):
        monkeypatch.setattr(f"robo_rlhf.rollouts.kept_evaluation.{name}", refuse)
    kept = KeptResults(checkpoint, REQUEST)
    with pytest.warns(FileWarning, match="If this evaluation is stopped, it starts over") as warned:
        evaluate_keeping(ToyEnv(3), make_policy(), SEEDS, kept)
    kept.remove()
    assert len(warned) == 1


def test_faults_of_all_episodes_are_an_error_when_continued_too(checkpoint: Path) -> None:
    kept = KeptResults(checkpoint, REQUEST)
    policy = make_policy()
    evaluate_keeping(ToyEnv(3), policy, SEEDS[:3], kept)
    kept.done = {s: r._replace(outcome="aborted", note="aborted at step 0: it fell") for s, r in kept.done.items()}
    with pytest.raises(EnvironmentFaultError, match="All 3 episodes of toy ended by a fault"):
        evaluate_keeping(ToyEnv(3), policy, SEEDS[:3], kept)


def test_the_command_says_how_to_continue(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_policies(home, "bc")
    path = home / "runs" / "bc" / "checkpoints" / "policy.safetensors"
    command = ["evaluate", "bc", "--episodes", "3", "--num-envs", "2", "--json"]
    assert main(command) == 0
    whole = json.loads(capsys.readouterr().out)
    write, calls = KeptResults.write, list[int]()

    def stop(kept: KeptResults) -> None:
        write(kept)
        calls.append(len(kept.done))
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(KeptResults, "write", stop)
        assert main(command) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped; run the same command to continue"
    (kept,) = path.parent.glob("*.evaluation-*.json")
    assert calls == [0, 2, 2]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == whole
    assert not kept.exists()
