"""How long a cloned policy acts before it looks again."""

from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.steps import chunk_execution
from robo_rlhf.pipeline.steps.job import Job
from robo_rlhf.pipeline.steps.observers import Silent
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.rollouts.evaluation import Evaluation
from robo_rlhf.training import bc
from tests.pipeline.making import fresh_home, read, short_config

FLOW = bc.Config(policy="flow", settings={"width": 16, "chunk": 4}, updates=20)


@pytest.mark.parametrize(("better", "kept"), [(4, 4), (2, 2), (0, 2)])
def test_the_pace_that_succeeds_more_often_is_kept(
    better: int, kept: int, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(env: object, policy: FlowPolicy, seeds: object) -> Evaluation:
        done = policy.execute == better
        return Evaluation("reach", (0, 1), (done, False), (done, False), (0.0, 0.0), {})

    monkeypatch.setattr(chunk_execution, "evaluate", judged)
    home = fresh_home(reach_home, tmp_path / "home")
    config = replace(short_config(), clone=FLOW, choose_pace=True)
    job = Job(config, Run(home / "runs" / "short", config), home, Silent())
    policy = chunk_execution.paced(job, job.clone())
    assert isinstance(policy, FlowPolicy)
    path = job.run.path / "clone" / "checkpoints" / "policy.safetensors"
    stored = load_policy(path, task="reach")
    assert isinstance(stored, FlowPolicy)
    assert policy.execute == stored.execute == stored.settings["execute"] == kept
    assert read(job.run.path, "pace/result.json")["tried"] == [2, 4]
    assert load_meta(path)["algorithm"] == "bc"
    again = Job(config, Run(job.run.path, config), home, Silent())
    assert chunk_execution.paced(again, again.clone()).settings["execute"] == kept


def test_other_policies_and_a_pace_that_was_chosen_stay(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    for number, config in enumerate((replace(short_config(), choose_pace=True), replace(short_config(), clone=FLOW))):
        job = Job(config, Run(home / "runs" / str(number), config), home, Silent())
        settings = dict(chunk_execution.paced(job, job.clone()).settings)
        assert settings.get("execute") in (None, 6)
        assert not (job.run.path / "pace").exists()
