"""`robo-rlhf train bc` and `robo-rlhf evaluate`, together, on a native task."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.core.files import write_json
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.training_arrays.observation_spread import hidden_spread, starts_of
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from tests.arenas import save_policies
from tests.data.making import episode

TRAIN = ["train", "bc", "--task", "reach", "--demos", "2", "--policy", "gaussian", "--settings", "width", "16"]


@pytest.fixture
def samples(home: Path) -> Path:
    env = make_env("reach", 3, 1)
    assert isinstance(env, TaskEnv)
    episodes = rollout(env, ScriptedOperator(env), np.arange(3), source=Source.SCRIPTED)
    Dataset(home / "samples" / "reach", create=True).add_many(episodes)
    return home


def test_train_then_evaluate_then_compare(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--failures", "--updates", "20", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["updates"] == 20
    assert Path(row["policy"]) == samples / "runs" / "bc" / "checkpoints" / "policy.safetensors"

    assert main(["evaluate", "bc", "--episodes", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], found["episodes"]) == ("reach", 3)
    assert found["style"]["path_length"]["unit"] == "m"

    assert main(["evaluate", row["policy"], "--against", "bc", "--episodes", "3"]) == 0
    text = capsys.readouterr().out
    assert "success at the end" in text
    assert "Success differs by +0.0 points (+0.0 to +0.0): 0 episodes only it solved" in text
    assert "neither is shown to be better" in text


def test_one_demonstration_takes_scales_from_the_starts(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--demos", "1", "--failures", "--updates", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    dataset = Dataset(samples / "samples" / "reach")
    (shown,) = dataset.load_all([dataset.list()[0].meta.id])
    spread = hidden_spread(shown.obs[:-1], starts_of(make_env("reach", 32)))
    std = load_policy(Path(row["policy"])).normalizer.std.numpy()
    assert spread.any()
    assert (std[spread > 0] >= 0.99 * spread[spread > 0]).all()


def test_the_name_of_a_main_job_stands_for_its_last_policy(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_policies(samples, "main/clone", "main/round-1/finetune", "main/round-2/finetune")
    for stage in ("round-1", "round-2"):
        write_json(samples / "runs" / "main" / stage / "finetune" / "result.json", {})
    last = samples / "runs" / "main" / "round-2" / "finetune" / "checkpoints" / "policy.safetensors"
    assert main(["evaluate", "main", "--against", "main/clone", "--episodes", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["checkpoint"]) == last
    assert Path(found["against"]["checkpoint"]) == samples / "runs" / "main" / "clone" / last.relative_to(
        last.parents[1]
    )
    command = ["rollout", "--env", "reach", "-n", "2", "--seed", "5", "--policy"]
    assert main([*command, "main", "--dataset", "by_name"]) == main([*command, str(last), "--dataset", "by_file"]) == 0
    both = [Dataset(samples / name).load_all(["reach-5", "reach-6"]) for name in ("by_name", "by_file")]
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one.action, other.action)


def test_same_command_again_does_nothing_and_another_is_refused(
    samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*TRAIN, "--failures", "--updates", "4", "--json"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == first
    assert main([*TRAIN, "--failures", "--updates", "5"]) == 2
    assert (
        "the settings it was started with (updates=4); continue with those, or name another run (--run)"
        in capsys.readouterr().err
    )


def test_snapshots_are_chosen_by_rollouts(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--updates", "4", "--candidates", "2", "--select-episodes", "2", "--json"]
    assert main([*TRAIN, "--failures", *options]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)[0]["score"] <= 1


def test_the_best_of_several_seeds_is_kept(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--updates", "2", "--seed", "3", "--seeds", "2", "--select-episodes", "2", "--json"]
    assert main([*TRAIN, "--failures", *options]) == 0
    whole, *rows = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in rows] == [3, 4]
    assert whole["seed"] in (3, 4)
    assert Path(whole["policy"]).exists()
    assert main([*TRAIN, "--failures", *options]) == 0
    assert json.loads(capsys.readouterr().out)[0] == whole


def test_a_policy_is_evaluated_as_it_saw_the_task(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--failures", "--updates", "2", "--mask-delay", "3", "--json"]) == 0
    policy = Path(json.loads(capsys.readouterr().out)[0]["policy"])
    assert load_meta(policy)["mask_delay"] == 3
    found = []
    for options in ([], ["--mask-delay", "3"], ["--mask-delay", "0"]):
        assert main(["evaluate", "bc", "--episodes", "2", "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["return"])
    assert found[0] == found[1] != found[2]
    assert main(["evaluate", "bc", "--mask-delay", "-1"]) == 2
    assert "delay of what is partly observed: expected 0 steps or more, got -1" in capsys.readouterr().err


def test_demonstrations_are_chosen_by_operator_and_tag(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Dataset(samples / "samples" / "reach").tag("reach-1", "neat")
    command = ["train", "bc", "--task", "reach", "--failures", "--policy", "gaussian", "--updates", "1", "--json"]
    assert main([*command, "--tag", "neat"]) == 0
    meta = load_meta(Path(json.loads(capsys.readouterr().out)[0]["policy"]))
    assert meta["demonstrations"] == 1
    assert main([*command, "--run", "other", "--operator", "Ada", "--tag", "neat"]) == 5
    assert "Looked for operator 'Ada', tag 'neat'. Record some with" in capsys.readouterr().err


def test_mistakes_are_one_line_and_an_exit_code(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "bc", "--task", "lift", "--dataset", "samples/reach"]) == 5
    assert "No demonstration in dataset samples/reach of task 'lift'" in capsys.readouterr().err
    assert main(["train", "bc", "--task", "reach", "--failures", "--demos", "9"]) == 2
    assert "demonstrations: expected at least 9 of reach, got 3." in capsys.readouterr().err
    assert main(["evaluate", "nowhere"]) == 5
    assert "No policy 'nowhere'" in capsys.readouterr().err
    assert main([*TRAIN, "--failures", "--updates", "1", "--json"]) == 0
    assert main(["evaluate", "bc", "--task", "pick_place"]) == 6
    error = capsys.readouterr().err
    assert "expected a policy for pick_place with observations (20,)" in error
    assert "it holds a policy for reach" in error
    assert main(["evaluate", "bc", "--episodes", "0"]) == 2
    assert main([*TRAIN, "--failures", "--run", "none", "--seeds", "0"]) == 2
    assert "--seeds: expected at least 1, got 0." in capsys.readouterr().err


def test_what_was_recorded_elsewhere_is_cloned_and_what_needs_its_simulator_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = {"task": "fold", "origin": {"format": "video", "episode": "1"}}
    made = Dataset(home / "lab", create=True)
    made.add_many(episode(f"e{i}", seed=i, **elsewhere) for i in range(2))
    words = ["train", "bc", "--task", "fold", "--dataset", "lab", "--policy", "gaussian", "--updates", "3"]
    assert main([*words, "--run", "folding"]) == 0
    assert (home / "runs/folding/checkpoints/policy.safetensors").exists()
    capsys.readouterr()
    for option in (["--seeds", "2"], ["--candidates", "2"], ["--mask-delay", "1"]):
        assert main([*words, *option, "--run", "other"]) == 2
        assert "fold was recorded elsewhere and has no simulator here" in capsys.readouterr().err
    assert main([*words[:3], "folds", *words[4:], "--run", "other"]) == 2
    assert "Unknown task 'folds'" in capsys.readouterr().err
    bare = episode("bare", **elsewhere)
    Dataset(home / "films", create=True).add(replace(bare, obs=bare.obs[:, :0], action=bare.action[:, :0]))
    assert main([*words[:5], "films", *words[6:], "--run", "other"]) == 2
    assert "not videos alone" in capsys.readouterr().err


def test_demonstrations_are_weighed_by_a_reward(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = make_env("reach", 1, 1)
    for name, task in (("taught", "reach"), ("other", "push")):
        model = new_reward("axes", env.obs_dim, env.act_dim, {"axes": ["speed", "care"], "settings": {"width": 8}})
        save_reward(model, Run(samples / "runs" / name, {}).checkpoint_path("reward"), {"task": task})
    env.close()
    words = [*TRAIN[:4], "--policy", "gaussian", "--settings", "width", "16", "--failures", "--updates", "10", "--json"]
    weighed = [*words, "--run", "weighed", "--weight-by-reward", "taught"]
    for option, told in (
        (["--weight-by-reward", "nowhere"], "nowhere"),
        (["--weight-by-reward", "other"], "a reward model for reach"),
        (["--weight-temperature", "0"], "a number above 0"),
        (["--weight-objective", "learned(axis='near')"], "expected one of speed, care"),
        (["--weight-objective", "success"], "a sum of learned, or of its axes"),
    ):
        assert main([*weighed, *option]) in (2, 3, 4, 5, 6)
        assert told in capsys.readouterr().err
    counts = []
    for method in ("advantage", "best_half"):
        command = [*weighed[:-4], "--run", method, *weighed[-2:], "--weights", method]
        assert main([*command, "--weight-objective", "2 * learned(axis='speed') + learned"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        counts.append(row["examples"])
    assert 0 < counts[1] < counts[0]
    assert main([*words, "--run", "best_half"]) != 0  # the same run without the reward
