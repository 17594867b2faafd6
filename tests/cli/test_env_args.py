"""Arguments of outside environments on a command line: they become part of the environment's name."""

import json
from pathlib import Path

import pytest

from robo_rlhf.cli.env_args import folded
from robo_rlhf.cli.main import main
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.data.dataset import Dataset


@pytest.mark.parametrize(
    ("args", "then"),
    [
        (["run", "--env", "Pusher-v5", "--env-arg", "frame_skip=2"], ["run", "--env", "Pusher-v5+frame_skip=2"]),
        (["x", "--env-arg=a=1", "--env=A-v0@5", "--env-arg", "b=no"], ["x", "--env=A-v0+a=1+b=no@5"]),
        (["evaluate", "p", "--task", "a/B-v0", "--env-arg", "a=1.5"], ["evaluate", "p", "--task", "a/B-v0+a=1.5"]),
        (["run", "--env", "Pusher-v5"], ["run", "--env", "Pusher-v5"]),
    ],
)
def test_arguments_are_part_of_the_name(args: list[str], then: list[str]) -> None:
    assert folded(args, "--env-arg") == then


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "--env-arg", "a=1"], "--env-arg: expected the name of an outside environment beside it"),
        (["run", "--task", "reach", "--env-arg", "a=1"], "expected the name of an outside environment"),
        (["run", "--env", "A-v0", "--env-arg", "a"], "argument of environment A-v0: expected KEY=VALUE"),
        (["run", "--env", "A-v0", "--env-arg"], "expected KEY=VALUE"),
        (["run", "--env", "A-v0", "--env-arg", "file=/etc/passwd"], "a number, true, false, none, or a word"),
    ],
)
def test_what_is_no_argument_is_refused(args: list[str], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        folded(args, "--env-arg")


def test_built_in_policies_and_arguments_make_a_dataset(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["rollout", "--env", "Reacher-v5@4", "--env-arg", "reward_control_weight=2.5", "-n", "2", "--json"]
    assert main([*command, "--policy", "random"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["kept"] == 2
    episode = next(Dataset(home / "samples" / "Reacher-v5+reward_control_weight=2.5@4").load_all())
    assert episode.meta.task == "Reacher-v5+reward_control_weight=2.5@4"
    assert len(set(episode.action[:, 0].tolist())) == 4
    assert main([*command, "--policy", "zero", "--dataset", "still"]) == 0
    episode = next(Dataset(home / "still").load_all())
    assert not episode.action.any()
    assert episode.meta.obs_names[:2] == ("obs[0]", "obs[1]")
    assert episode.meta.action_names == ("joint0", "joint1")


def test_advice_names_it_as_a_command_line_does(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollout", "--env", "Pusher-v5@5", "--policy", "zero", "-n", "1", "--dataset", "d"]) == 0
    assert main(["train", "bc", "--task", "Pusher-v5@5", "--dataset", "d"]) != 0
    assert "Record some with `robo-rlhf record --env Pusher-v5@5`" in capsys.readouterr().err
