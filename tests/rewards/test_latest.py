"""A reward that is reloaded when its file is written, also during training on it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import CheckpointMismatchError, NotFoundError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from robo_rlhf.rewards.latest import NewestReward
from robo_rlhf.training import ppo, sac
from tests.toy import ToyEnv

FITS = {"task": "toy", "obs_dim": 6, "act_dim": 2}
STEPS = (np.ones((3, 2, 6), np.float32), np.ones((3, 2, 2), np.float32), np.zeros((3, 2, 6), np.float32))


def written(path: Path, seed: int, *, obs_dim: int = 6) -> RewardModel:
    """Write a reward of random weights to `path`."""
    with seeded(seed):
        model = new_reward("ensemble", obs_dim, 2, {"width": 8, "members": 3})
    save_reward(model, path, {"task": "toy"})
    return model


def test_the_newest_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    model = written(path, 0)
    source = NewestReward(path, 0.5, **FITS)  # type: ignore[arg-type]
    mean, std = model.predict(*STEPS)
    np.testing.assert_array_equal(source(*STEPS), mean - 0.5 * std)
    assert source.refresh() == (False, "")
    other = written(path, 1)
    np.testing.assert_array_equal(source(*STEPS), mean - 0.5 * std)  # not in the middle of an iteration
    assert source.refresh() == (True, "a new reward")
    mean, std = other.predict(*STEPS)
    np.testing.assert_array_equal(source(*STEPS), mean - 0.5 * std)
    assert source.refresh() == (False, "")


def test_what_cannot_be_used_is_passed_over_and_told(tmp_path: Path) -> None:
    path = tmp_path / "reward.safetensors"
    written(path, 0)
    source = NewestReward(path, 0.5, **FITS)  # type: ignore[arg-type]
    before = source(*STEPS)
    path.write_bytes(b"half of a file")
    changed, told = source.refresh()
    assert not changed
    assert told.startswith("a new reward cannot be used, the previous one stays in use: ")
    written(path, 1, obs_dim=7)
    assert "does not fit" in source.refresh()[1]
    path.unlink()
    assert source.refresh() == (False, "")
    np.testing.assert_array_equal(source(*STEPS), before)
    written(path, 0)
    assert source.refresh()[0]


def test_the_first_must_be_usable(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        NewestReward(tmp_path / "none", 0.5, **FITS)  # type: ignore[arg-type]
    written(tmp_path / "other", 0, obs_dim=7)
    with pytest.raises(CheckpointMismatchError):
        NewestReward(tmp_path / "other", 0.5, **FITS)  # type: ignore[arg-type]


WRITER = """
import sys, time
from pathlib import Path
from tests.rewards.test_latest import written
go, path = Path(sys.argv[1]), Path(sys.argv[2])
Path(sys.argv[3]).touch()
while not go.exists():
    time.sleep(0.01)
written(path, 1)
"""


@pytest.mark.parametrize("algorithm", ["ppo", pytest.param("sac", marks=pytest.mark.slow)])
def test_another_process_teaches_while_a_policy_learns(tmp_path: Path, algorithm: str) -> None:
    """The training neither stops nor restarts: from the next iteration on it maximises the new reward."""
    torch.set_num_threads(1)
    path, go, ready = tmp_path / "reward.safetensors", tmp_path / "go", tmp_path / "ready"
    written(path, 0)
    first, root = path.stat(), Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER, str(go), str(path), str(ready)]
    with subprocess.Popen(command, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}) as writer:

        def progress(done: int, total: int, metrics: object) -> None:
            if done == 2:
                _wait(ready.exists)
                go.touch()
                _wait(lambda: path.stat().st_ino != first.st_ino)

        source = NewestReward(path, 0.5, **FITS)  # type: ignore[arg-type]
        run = Run(tmp_path / "run", {})
        if algorithm == "ppo":
            config = ppo.Config(num_envs=2, iterations=4, epochs=1, minibatch=64, warmup_epochs=1)
            ppo.train(config, run, ToyEnv(2), GaussianPolicy(6, 2, width=8), source, progress=progress)
        else:
            settings = sac.Config(num_envs=2, iterations=4, updates=0.05, batch=16, critic_width=8, refresh=2)
            sac.train(settings, run, ToyEnv(2), TanhGaussianPolicy(6, 2, width=8), source, progress=progress)
    assert writer.returncode == 0
    assert [(e["event"], e["iteration"]) for e in run.events()] == [("a new reward", 3)]
    assert (run.result() or {})["iterations"] == 4


def _wait(until: object) -> None:
    deadline = time.monotonic() + 60
    while not until():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
