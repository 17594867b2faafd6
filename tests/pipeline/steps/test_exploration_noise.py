"""The exploration noise of fine-tuning, chosen by rollouts."""

from dataclasses import replace
from pathlib import Path

import pytest

from robo_rlhf.pipeline.steps import exploration_noise
from robo_rlhf.pipeline.steps.cloning import clone_demonstrations
from robo_rlhf.pipeline.steps.finetuning import fine_tunable
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.policies.explore import ExploringPolicy
from tests.pipeline.making import fresh_home, opened, read, short_config


@pytest.mark.parametrize(
    ("forgives", "chosen", "tried"),
    [(1.0, 0.1, 1), (0.06, 0.05, 2), (0.0, 0.025, 3)],
)
def test_the_boldest_that_leaves_most_of_the_success(
    forgives: float, chosen: float, tried: int, reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(context: object, head: object, policy: object, seeds: object) -> float:
        std = float(policy.actor.log_std.detach()[0].exp()) if isinstance(policy, ExploringPolicy) else 0.0
        return float(std <= forgives)

    monkeypatch.setattr(exploration_noise, "success_share", judged)
    home = fresh_home(reach_home, tmp_path / "home")
    config = replace(short_config(), choose_exploration_noise=True, approvals=0.0)
    flow = replace(config, clone=replace(config.clone, policy="flow", settings={"width": 16}, updates=20))
    for _ in range(2):  # the second time from what stands in the folder
        with opened(flow, home) as context:
            policy = exploration_noise.choose_exploration_noise(context, clone_demonstrations(context))
            actor = fine_tunable(context, policy)
        assert policy.std == pytest.approx(chosen)
        assert isinstance(actor, GaussianActor)
        assert float(actor.log_std.detach()[0].exp()) == pytest.approx(chosen)
    assert len(read(context.run.path, "exploration/result.json")["exploring"]) == tried
    assert read(context.run.path, "config.json")["finetune"]["std"] == 0.1  # what was asked for
