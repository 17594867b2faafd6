"""What the recipe decides before anything is trained: pure arithmetic of costs and budgets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import write_json
from robo_rlhf.feedback.quality.answer_times import PRIORS, AnswerTime
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.recipe.decisions import apply, decided
from robo_rlhf.pipeline.recipe.plan import Plan, plan
from robo_rlhf.pipeline.recipe.speed import Speed

CHEAP = Speed(step=0.0002, update=0.02, iteration=2.0, horizon=120)
ASSUMED = [AnswerTime(kind, *prior, "assumed") for kind, prior in PRIORS.items()]


def planned(minutes: float, speed: Speed = CHEAP, answers: list[AnswerTime] = ASSUMED, **asked: Any) -> Plan:
    return plan(PipelineConfig(minutes=minutes, **asked), speed, answers)


def test_fifteen_minutes_are_enough_for_two_ways_to_clone_own_tries_and_all_iterations() -> None:
    found = apply(PipelineConfig(), planned(15).settings)
    assert (found.clone.updates, found.clone_ways) == (8000, 2)
    assert (found.learner, found.finetune.iterations) == ("ppo", 100)
    assert (found.self_imitation_rounds, found.self_imitation_updates) == (3, 4000)
    assert found.gate
    assert found.approvals == 0.35


@pytest.mark.parametrize("minutes", [1, 3, 6, 15])
def test_the_plan_keeps_to_its_minutes(minutes: float) -> None:
    found = apply(PipelineConfig(), planned(minutes).settings)
    cloning = found.clone.updates * (1.4 if found.clone_ways == 2 else 1) * CHEAP.update
    tries = found.self_imitation_rounds * (256 * 120 * CHEAP.step + found.self_imitation_updates * CHEAP.update)
    rolling = (2 * 200 + 3 * (64 + 2 * 100) + 600) * 120 * CHEAP.step
    spent = rolling + cloning + tries + found.finetune.iterations * CHEAP.iteration
    assert spent <= 60 * minutes * (1.2 if minutes == 1 else 1)  # what a minute has to leave for learning comes on top


def test_a_minute_buys_one_way_to_clone_and_few_iterations() -> None:
    found = apply(PipelineConfig(), planned(1).settings)
    assert (found.clone.updates, found.clone_ways) == (250, 1)
    assert found.finetune.iterations == 4
    assert found.self_imitation_rounds == 0


def test_operators_of_unequal_skill_are_weighed_in_one_more_way_where_there_is_time() -> None:
    skill = {"ann": 1.0, "bob": 0.4}
    much, little = (plan(PipelineConfig(minutes=m), CHEAP, ASSUMED, skill) for m in (15, 1))
    found = apply(PipelineConfig(), much.settings)
    assert (found.clone_ways, found.clone_by_operator) == (2, True)
    assert found.clone.updates * 2.4 * CHEAP.update <= 0.29 * 60 * 15
    assert "(ann 1, bob 0.4)" in much.decisions[0].why
    assert not apply(PipelineConfig(), little.settings).clone_by_operator


def test_minutes_that_are_not_enough_for_the_rollouts_are_refused_with_what_is() -> None:
    with pytest.raises(InvalidValueError, match=r"expected at least 1, which .* a step takes 0.2 ms here, got 0.1"):
        planned(0.1)
    with pytest.raises(InvalidValueError, match="at least 3584, which its 1792 rollouts take: a step takes 1000 ms"):
        planned(15, Speed(step=1.0, update=0.02, iteration=7680.0, horizon=120))


def test_expensive_steps_are_learned_from_again_and_again() -> None:
    expensive = Speed(step=0.003, update=0.02, iteration=25.0, horizon=120)
    assert "learner" not in planned(15, expensive).settings  # of a task of ours, whose copies are stepped together
    found = planned(15, expensive, task="Elsewhere-v0")
    config = apply(PipelineConfig(), found.settings)
    assert (config.learner, config.num_envs) == ("sac", 10)
    assert config.sac.iterations == 16  # of 8.4 s each, in 38 % of the 40 % of 15 minutes that rollouts leave
    decision = next(d for d in found.decisions if d.what == "fine-tuning")
    assert decision.chosen == "SAC, 16 iterations"
    assert "as much as 0.15 gradient steps" in decision.why


def test_what_is_asked_is_what_tells_most_in_a_second() -> None:
    assert planned(15).settings["question"] == "ranking"
    slow = [AnswerTime("pairwise", 4.0, 1.0, "median of 30 answers"), AnswerTime("ranking", 30.0, 2.5, "assumed")]
    found = planned(15, answers=slow)
    assert "question" not in found.settings  # pairs, as ever
    assert "pairwise: 4 s (median of 30 answers)" in found.decisions[2].why


def test_what_is_set_by_hand_is_left_alone() -> None:
    found = planned(15, keep="gate,clone,approvals").settings
    assert not {name for name in found if name.partition(".")[0] in ("gate", "clone", "approvals")}
    assert found["clone_ways"] == 2


def test_the_settings_of_a_run_hold_what_it_decided(tmp_path: Path) -> None:
    config, found = PipelineConfig(minutes=15), planned(15)
    stored = json.loads(json.dumps({"gate": False, "clone": {"updates": 4000}, "clone_ways": 0}))
    assert decided(stored, tmp_path) == stored
    (tmp_path / "recipe").mkdir()
    write_json(
        tmp_path / "recipe" / "result.json", replace(found, settings={"gate": True, "clone.updates": 9}).to_json()
    )
    assert decided(stored, tmp_path) == {"gate": True, "clone": {"updates": 9}, "clone_ways": 0}
    assert apply(config, found.settings).clone.settings == config.clone.settings
