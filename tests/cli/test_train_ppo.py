"""`robo-rlhf train ppo` on a native task."""

import json
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.checkpoint import load_meta, load_policy, save_policy
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from robo_rlhf.sim.envs.task_env import make_env

SIZES = ["--num-envs", "2", "--iterations", "2", "--epochs", "1", "--warmup-epochs", "1", "--minibatch", "60"]


@pytest.fixture
def made(home: Path) -> Path:
    """A policy of each kind, and a reward, for reach."""
    env = make_env("reach", 1, 1)
    with seeded(0):
        for kind in ("gaussian", "flow"):
            policy = POLICIES[kind](env.obs_dim, env.act_dim, width=8)
            save_policy(policy, Run(home / "runs" / kind, {}).checkpoint_path("policy"), {"task": "reach"})
        model = new_reward("ensemble", env.obs_dim, env.act_dim, {"width": 8})
    save_reward(model, Run(home / "runs" / "taught", {}).checkpoint_path("reward"), {"task": "reach"})
    env.close()
    return home


@pytest.mark.parametrize(("kind", "trained"), [("gaussian", "gaussian"), ("flow", "residual")])
def test_fine_tunes_a_policy_of_any_kind(
    made: Path, capsys: pytest.CaptureFixture[str], kind: str, trained: str
) -> None:
    command = ["train", "ppo", "--policy", kind, "--reward", "taught", *SIZES, "--json"]
    assert main(command) == 0
    first = capsys.readouterr().out
    (row,) = json.loads(first)
    assert row["iterations"] == 2
    assert Path(row["policy"]) == made / "runs" / "ppo" / "checkpoints" / "policy.safetensors"
    assert load_policy(Path(row["policy"]), task="reach").kind == trained
    assert load_meta(Path(row["policy"]))["algorithm"] == "ppo"
    assert main(command) == 0
    assert capsys.readouterr().out == first


def test_the_objective_is_a_sum_that_is_written_down(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "ppo", "--policy", "gaussian", "--reward", "taught", *SIZES, "--json"]
    assert main(["train", "value", "--task", "reach", "--updates", "3", "--out", str(made / "v.safetensors")]) == 5
    assert main([*command, "--objective", "learned + 0.5 * success + 0.1 * term(which='near')"]) == 2
    assert "Unknown term of the task 'near'" in capsys.readouterr().err
    assert main([*command, "--objective", "learned + 0.5 * success", "--run", "summed"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["reward"] == pytest.approx(row["reward/learned"] + row["reward/success"], abs=1e-5)


def test_the_axes_of_an_objective_are_those_of_the_reward(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = make_env("reach", 1, 1)
    model = new_reward("axes", env.obs_dim, env.act_dim, {"axes": ["speed", "care"], "settings": {"width": 8}})
    env.close()
    save_reward(model, Run(made / "runs" / "heads", {}).checkpoint_path("reward"), {"task": "reach"})
    command = ["train", "ppo", "--policy", "gaussian", *SIZES, "--json", "--objective"]
    for reward, told in (("taught", "about no named axis"), ("heads", "expected one of speed, care, got 'near'")):
        assert main([*command, "learned(axis='near')", "--reward", reward, "--run", "wrong"]) == 2
        assert told in capsys.readouterr().err
    assert not (made / "runs" / "wrong").exists()
    assert main([*command, "learned(axis='speed') + 2 * learned(axis='care')", "--reward", "heads"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {"reward/learned(axis='speed')", "reward/learned(axis='care')"} <= set(row)


def test_a_reward_of_another_task_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = new_reward("ensemble", 3, 5, {"width": 8})
    save_reward(model, made / "push.safetensors", {"task": "push"})
    assert main(["train", "ppo", "--policy", "gaussian", "--reward", str(made / "push.safetensors"), *SIZES]) == 6
    assert "expected a reward model for reach with observations" in capsys.readouterr().err
    assert not (made / "runs" / "ppo").exists()


def test_a_run_with_other_settings_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "ppo", "--policy", "gaussian", "--reward", "taught", *SIZES]
    assert main(command) == 0
    assert main([*command, "--actor-lr", "1e-5"]) == 2
    assert "the settings it was started with (actor_lr=0.0003)" in capsys.readouterr().err
