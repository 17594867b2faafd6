"""A run that asks along named axes."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

from robo_rlhf.cli.main import parse
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.checkpoint import load_reward
from tests.pipeline.making import do, fresh_home, read, short_config

AXES = ("task success", "smoothness")


def test_a_run_asks_along_axes_learns_a_head_each_and_weighs_them(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config(question="axes", axes=AXES, rounds=1, labels=16)
    objective = "learned(axis='task success') + 2 * learned(axis='smoothness')"
    config = replace(config, finetune=replace(config.finetune, objective=objective))
    run = do(config, home, report=True)
    with Store(home / "feedback.db") as store:
        asked = {(q.kind, tuple(q.meta.get("axes", ()))) for q in store.questions("short")}
        assert asked == {("axes", AXES), ("success", ())}
    model = load_reward(run / "round-1/reward/checkpoints/reward.safetensors")
    assert isinstance(model, AxesReward)
    assert set(model.axes) == set(AXES)
    (first, *_) = (run / "round-1/finetune/metrics.jsonl").read_text().splitlines()
    assert "reward/learned(axis='smoothness')" in first
    assert read(run, "result.json")["after"]
    again = shlex.split(Findings.of(run, home).command())[2:]
    command = parse("run", again)
    assert isinstance(command, RunCommand)
    assert json.loads(json.dumps(asdict(command.config(home)))) == read(run, "config.json")


def test_the_option_takes_the_axes_given_those_of_the_task_or_those_it_began_with(
    reach_home: Path, tmp_path: Path
) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    command = {"task": "reach", "home": home, "annotator": "human", "minutes": 0.0, "preset": "tiny", "labels": 12}
    with Store(home / "feedback.db") as store:
        store.tasks.set_axes("reach", ["gentleness", "speed"])
    assert RunCommand(**command).asked()[0].axes == ()
    own = RunCommand(**command, axes=()).asked()[0]
    assert (own.question, own.axes) == ("axes", ("gentleness", "speed"))
    assert RunCommand(**command, axes=("speed",)).asked()[0].axes == ("speed",)
    do_not_decide = RunCommand(**{**command, "preset": "default", "minutes": None}, axes=("speed",)).asked()[0]
    assert "question" in do_not_decide.keep.split(",")
