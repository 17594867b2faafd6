"""What outside environments print: never in the output of a command, and not without end."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from robo_rlhf.cli.main import main
from robo_rlhf.core.types import Array
from robo_rlhf.sim.external import printing
from robo_rlhf.sim.external.vec_env import ExternalVecEnv


class Talking(gymnasium.Env[Array, Array]):
    """Prints wherever it can."""

    observation_space = Box(-9, 9, (1,), np.float64)
    action_space = Box(-1, 1, (1,), np.float64)

    def __init__(self, render_mode: str | None = None) -> None:
        print("made")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        print("reset")
        return np.zeros(1), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        print("step " * 20)
        return np.zeros(1), 0.0, False, False, {}

    def close(self) -> None:
        print("closed")


gymnasium.register("Talking-v0", entry_point=Talking, max_episode_steps=20)


@pytest.fixture(autouse=True)
def nothing_shown_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "_streams", {})


def test_what_it_prints_is_shown_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    env = ExternalVecEnv("Talking-v0", 1)
    env.reset(np.zeros(1, int))
    env.step(np.zeros((1, 1)))
    env.close()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.split() == ["made", "reset", *["step"] * 20, "closed"]


def test_what_prints_without_end_is_cut_off_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(printing, "MOST", 1000)
    env = ExternalVecEnv("Talking-v0", 1)
    env.reset(np.zeros(1, int))
    for _ in range(15):
        assert env.step(np.zeros((1, 1))).active.all()
    env.close()
    assert caplog.messages == ["Talking-v0 prints without end: more than 1000 characters are not shown"]
    assert len(capsys.readouterr().err.replace("\n", "")) <= 1000


def test_the_json_of_a_command_is_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollout", "--env", "Talking-v0", "--policy", "zero", "-n", "1", "--dataset", "d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["run"] == 1
