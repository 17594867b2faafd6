"""`robo-rlhf train sac` and what it shares with `train ppo`, on a native task."""

import json
import shutil
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.checkpoint import load_meta, load_policy, save_policy
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from robo_rlhf.sim.envs.task_env import make_env

SIZES = ["--num-envs", "2", "--iterations", "2", "--updates", "0.05", "--batch", "16", "--critic-width", "16"]
PPO_SIZES = ["--num-envs", "2", "--iterations", "1", "--epochs", "1", "--warmup-epochs", "1", "--minibatch", "60"]


@pytest.fixture
def made(reach_home: Path, home: Path) -> Path:
    """A policy and a reward for reach."""
    env = make_env("reach", 1, 1)
    with seeded(0):
        policy = POLICIES["flow"](env.obs_dim, env.act_dim, width=8)
        save_policy(policy, Run(home / "runs" / "clone", {}).checkpoint_path("policy"), {"task": "reach"})
        model = new_reward("ensemble", env.obs_dim, env.act_dim, {"width": 8})
    save_reward(model, Run(home / "runs" / "taught", {}).checkpoint_path("reward"), {"task": "reach"})
    env.close()
    return home


def test_corrects_a_policy_on_a_learned_reward(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "sac", "--policy", "clone", "--reward", "taught", "--demos", "0", *SIZES, "--json"]
    assert main(command) == 0
    first = capsys.readouterr().out
    (row,) = json.loads(first)
    assert row["iterations"] == 2
    policy = load_policy(Path(row["policy"]), task="reach")
    assert policy.kind == "tanh_gaussian"
    assert policy.settings["base_kind"] == "flow"
    assert load_meta(Path(row["policy"]))["algorithm"] == "sac"
    assert main(command) == 0
    assert capsys.readouterr().out == first
    again = ["train", "sac", "--policy", "sac", "--objective", "task", "--run", "more", "--demos", "0", *SIZES]
    assert main(again) == 0  # from a policy of its own kind


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_policy_that_saw_only_a_part_goes_on_so(
    made: Path, reach_home: Path, capsys: pytest.CaptureFixture[str], algorithm: str
) -> None:
    shutil.copytree(reach_home / "samples", made / "samples")
    path = made / "runs" / "clone" / "checkpoints" / "policy.safetensors"
    save_policy(load_policy(path), path, {"task": "reach", "mask_delay": 3})
    sizes = PPO_SIZES if algorithm == "ppo" else ["--demos", "2", *SIZES]
    assert main(["train", algorithm, "--policy", "clone", "--reward", "taught", *sizes, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert load_meta(Path(row["policy"]))["mask_delay"] == 3
    found = []
    for options in ([], ["--mask-delay", "3"], ["--mask-delay", "0"]):
        assert main(["evaluate", algorithm, "--episodes", "2", "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["return"])
    assert found[0] == found[1] != found[2]


def test_learns_from_marks_of_success_and_demonstrations(
    reach_home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(reach_home, tmp_path / "home")
    command = ["train", "sac", "--task", "reach", "--objective", "success", "--demos", "3", *SIZES, "--json"]
    assert main([*command, "--home", str(tmp_path / "home")]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["reward_std"] > 0  # the demonstrations succeed
    assert main([*command, "--home", str(tmp_path / "home"), "--run", "b", "--demos", "999"]) == 2
    assert "--demos: expected at most the" in capsys.readouterr().err


def test_ppo_needs_no_learned_reward_where_none_is_climbed(made: Path) -> None:
    command = ["train", "ppo", "--policy", "clone", *PPO_SIZES]
    assert main([*command, "--objective", "task"]) == 0


@pytest.mark.parametrize("algorithm", ["sac", "ppo"])
def test_objective_and_reward_must_fit(made: Path, capsys: pytest.CaptureFixture[str], algorithm: str) -> None:
    command = ["train", algorithm, "--policy", "clone"]
    assert main(command) == 2
    assert "--reward: expected the learned reward that the objective 'learned' names" in capsys.readouterr().err
    assert main([*command, "--reward", "taught", "--objective", "success"]) == 2
    assert "expected none: the objective 'success' has no learned reward in it" in capsys.readouterr().err


def test_a_task_must_be_named(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sac", "--objective", "task"]) == 2
    assert "--task: expected a task, or --policy" in capsys.readouterr().err
