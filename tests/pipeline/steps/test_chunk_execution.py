"""The action-execution horizon of a cloned policy."""

from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.pipeline.steps import chunk_execution
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations
from robo_rlhf.policies.checkpoint import load_meta, load_policy
from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.training import bc
from tests.pipeline.making import fresh_home, opened, read, short_config

FLOW = bc.Config(policy="flow", settings={"width": 16, "chunk": 4}, updates=20)


@pytest.mark.parametrize(("better", "kept"), [(4, 4), (2, 2), (0, 2)])
def test_the_pace_that_succeeds_more_often_is_kept(
    better: int, kept: int, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(context: object, head: object, policy: FlowPolicy, seeds: object) -> float:
        return 0.5 * (policy.execution_horizon == better)

    monkeypatch.setattr(chunk_execution, "success_share", judged)
    home = fresh_home(reach_home, tmp_path / "home")
    config = replace(short_config(), clone=FLOW, choose_execution_horizon=True, approvals=0.0)
    run = home / "runs" / "short"
    with opened(config, home) as context:
        policy = chunk_execution.choose_execution_horizon(context, clone_demonstrations(context)).network
    assert isinstance(policy, FlowPolicy)
    path = run / "clone" / "checkpoints" / "policy.safetensors"
    stored = load_policy(path, task="reach")
    assert isinstance(stored, FlowPolicy)
    assert policy.execution_horizon == stored.execution_horizon == stored.settings["execution_horizon"] == kept
    assert read(run, "pace/result.json")["tried"] == [2, 4]
    assert load_meta(path)["algorithm"] == "bc"
    with opened(config, home) as context:
        again = chunk_execution.choose_execution_horizon(context, clone_demonstrations(context))
    assert again.network.settings["execution_horizon"] == kept


def test_it_is_not_chosen_before_people_have_said_what_success_is(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    config = replace(short_config(), clone=FLOW, choose_execution_horizon=True)
    with opened(config, home) as context:
        policy = clone_demonstrations(context)
        assert chunk_execution.choose_execution_horizon(context, policy) is policy
    assert not (context.run.path / "pace").exists()


def test_other_policies_and_a_pace_that_was_chosen_stay(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    for number, config in enumerate(
        (replace(short_config(), choose_execution_horizon=True), replace(short_config(), clone=FLOW))
    ):
        with opened(config, home, str(number)) as context:
            chosen = chunk_execution.choose_execution_horizon(context, clone_demonstrations(context))
        settings = dict(chosen.network.settings)
        assert settings.get("execution_horizon") in (None, 6)
        assert not (context.run.path / "pace").exists()
