"""The whole loop with a policy that sees: cloned, corrected by PPO, measured; stopped and continued alike."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rewards.checkpoint import load_reward
from robo_rlhf.rewards.visual import VisualReward
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.training_tools.settings import RewardSettings
from robo_rlhf.vision.observer import CameraObserver

SEES = ["--cameras", "front", "--size", "16", "--proprioception-only", "--encoder", "small"]
SMALL = ["clone.updates=3", "num_envs=2", "episodes=2", "collect=2", "finetune.iterations=2", "finetune.num_envs=2"]
RUN = ["run", "--task", "reach", "--preset", "tiny", "--demos", "2", "--labels", "4", "--rounds", "2", *SEES, "--json"]


@pytest.fixture
def samples(home: Path, reach_home: Path) -> Path:
    """Two demonstrations of reach."""
    shown = list(Dataset(reach_home / "samples" / "reach").load_all())[:2]
    Dataset(home / "samples" / "reach", create=True).add_many(shown)
    return home


def test_the_whole_loop_runs_from_pictures(
    samples: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    observers: list[CameraObserver] = []
    begin = CameraObserver.begin

    def noted(observer: CameraObserver, state: Array | None = None) -> None:
        observers.append(observer)
        begin(observer, state)

    monkeypatch.setattr(CameraObserver, "begin", noted)
    command = [*RUN, "--looks", "2", "--run", "seen"]
    for setting in SMALL:
        command += ["--set", setting]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["after"]["episodes"] == 2
    run = samples / "runs" / "seen"
    cloned = load_policy(run / "clone" / "checkpoints" / "policy.safetensors")
    assert isinstance(cloned, VisualPolicy)
    assert cloned.settings["columns"] == list(range(10))
    tuned = load_policy(run / "round-1" / "finetune" / "checkpoints" / "policy.safetensors")
    assert isinstance(tuned, ResidualPolicy)
    assert isinstance(tuned.base, VisualPolicy)
    assert tuned.seen_dim == 10 + cloned.features
    assert {one.looks for one in observers} == {(Look(0), Look(1))}  # practice and evaluations, the reward too
    judge = load_reward(run / "round-1" / "reward" / "checkpoints" / "reward.safetensors")
    assert isinstance(judge, VisualReward)
    assert cloned.encoder is not None
    taken = zip(judge._weights(0).values(), cloned.encoder.parameters(), strict=True)
    assert all((a == b).all() for a, b in taken)
    frozen = zip(cloned.parameters(), tuned.base.parameters(), strict=True)
    assert all((a == b).all() for a, b in frozen)  # the encoder too
    assert main(command) == 0  # finished: only read
    assert json.loads(capsys.readouterr().out)["after"] == found["after"]


def test_what_is_not_done_with_cameras_is_refused_at_once(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for setting, sentence in (
        ("self_imitation_rounds=1", "expected 0, got 1"),
        ("choose_execution_horizon=true", "expected False, got True"),
    ):
        assert main([*RUN, "--set", setting]) == 2
        assert sentence in capsys.readouterr().err
    sees: dict[str, Any] = {"cameras": ["front"], "size": 16, "encoder": "small", "shared": False}
    judge = RewardSettings(reward="visual", settings=sees)
    with pytest.raises(InvalidValueError, match="steps that SAC keeps and judges again have no pictures"):
        PipelineConfig(learner="sac", reward=judge)
    with pytest.raises(InvalidValueError, match="with frozen encoders: expected those of `clone`, or frozen false"):
        PipelineConfig(reward=replace(judge, settings={**sees, "frozen": True}))
    learning = ["--set", "finetune.learn_encoder=true"]
    assert main([*RUN, *learning, "--set", "learner=sac", "--set", "reward.reward=ensemble"]) == 2
    assert "expected false with SAC, which keeps features of all steps and no pictures" in capsys.readouterr().err
    assert main(["run", "--task", "reach", "--preset", "tiny", *learning]) == 2
    assert "finetune.learn_encoder: expected --cameras, whose encoders it is about" in capsys.readouterr().err
    assert main([*RUN[:-1], "--cameras", "frnt"]) != 0
    assert "front" in capsys.readouterr().err
    assert not (samples / "runs").exists()
