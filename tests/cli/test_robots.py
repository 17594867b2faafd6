"""`--robot`: the task's name says the robot, what was found in its model is told, what makes no sense is refused."""

import pytest

from robo_rlhf.cli.main import main, parse

ON_ROBOT = {
    "record": ["--task", "reach"],
    "run": ["--task", "reach"],
    "rollout": ["--env", "reach", "--policy", "a:b"],
    "evaluate": ["x", "--task", "reach"],
    "train bc": ["--task", "reach"],
    "train dagger": ["--task", "reach", "--corrections", "x"],
    "train ppo": ["--policy", "x", "--objective", "success", "--task", "reach"],
    "train sac": ["--task", "reach", "--objective", "success"],
    "train reward": ["--task", "reach"],
    "train value": ["--task", "reach"],
}


@pytest.mark.parametrize("command", ON_ROBOT)
def test_robot_becomes_part_of_the_task(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(command, [*ON_ROBOT[command], "--robot", "arm6"])
    assert "reach@arm6" in (getattr(options, "task", None), getattr(options, "env", None))
    assert "robot arm6: gripper: grip_motor (open 0, closed 100)" in capsys.readouterr().err
    own = parse(command, [*ON_ROBOT[command], "--robot", "arm"])
    assert "reach" in (getattr(own, "task", None), getattr(own, "env", None))
    assert capsys.readouterr().err == ""


REFUSED = {
    "record --task reach --robot arm66": "Unknown robot 'arm66'. Did you mean 'arm6'?",
    "record --task reach@arm66": "Unknown robot 'arm66'",
    "record --task navigate_room --robot arm6": "navigate_room is no task of an arm",
    "record --task navigate_room@arm6": "navigate_room is no task of an arm",
    "record --task reach@arm6 --robot arm6": "--robot: expected a native task without a robot, not reach@arm6",
    "rollout --env Pusher-v5 --policy a:b --robot arm6": "expected a native task without a robot, not Pusher-v5",
    "run --env Pusher-v5 --robot arm6": "expected a native task without a robot, not Pusher-v5",
    "evaluate x --robot arm6": "--robot: expected --task with it",
}


@pytest.mark.parametrize("line", REFUSED)
def test_robots_that_make_no_sense_are_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert REFUSED[line] in capsys.readouterr().err
