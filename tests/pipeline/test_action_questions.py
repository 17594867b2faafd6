"""A run that asks what the policy should do next: questions, answers, and what learns from them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.action_questions import FOLDER, action_preferences
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.rollouts.what_if import SECONDS
from tests.pipeline.making import do, fresh_home, opened, read, short_config


def config(**asked: Any) -> PipelineConfig:
    return short_config(**{"actions": 0.5, "approvals": 0.0, **asked})


def test_a_run_asks_what_to_do_next_and_learns_from_the_choices(reach_home: Path, tmp_path: Path) -> None:
    home = fresh_home(reach_home, tmp_path / "home")
    whole = config()
    path = do(whole, home)
    with Store(home / "feedback.db") as store:
        asked = [q for q in store.questions(run="short") if q.kind == "actions"]
        kinds = [q.kind for q in store.questions(run="short")]
        chosen = {a.question_id: a.value["choice"] for a in store.answers(run="short")}
    assert (kinds.count("actions"), kinds.count("pairwise")) == (6, 6)
    assert {q.dataset for q in asked} == {f"runs/short/{FOLDER}"}
    assert {chosen[q.id] for q in asked} <= {"A", "B", "C", "cant_tell"}
    with opened(whole, home) as context:
        made = action_preferences(context, 1)
        assert made is not None
        assert len(made.chosen) == sum(chosen[q.id] != "cant_tell" for q in asked if q.round == 1)
        steps = round(SECONDS / context.env.control_dt)
        assert {clip.length for q in asked for clip in q.segments} == {steps}
    result = read(path, "round-2/reward/result.json")
    assert result["trained"]["answers"] == sum(choice != "cant_tell" for choice in chosen.values())


def test_where_the_policy_does_the_same_always_pairs_are_asked_about(reach_home: Path, tmp_path: Path) -> None:
    whole = config(rounds=1, labels=4)
    still = replace(whole.clone, settings={**whole.clone.settings, "initial_std": 1e-3})
    path = do(replace(whole, clone=still), fresh_home(reach_home, tmp_path / "home"))
    events = read_lines(path / "events.jsonl", lambda row: "event" in row)
    (event,) = [event for event in events if event["event"] == "no questions about actions"]
    assert "one that explores" in event["why"]
    assert len(read(path, "round-1/ask/result.json")["questions"]) == 4


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"task": "Pendulum-v1"}, "an outside environment, whose frames cannot be entered"),
        ({"learner": "sac"}, "PPO fine-tunes a policy that was cloned"),
        ({"demos": 0}, "PPO fine-tunes a policy that was cloned"),
        ({"num_envs": 2}, "at least 3 with questions about actions"),
        ({"approvals": 0.6}, "pairs are asked as well"),
        ({"question": "actions"}, "--set actions=SHARE asks about actions"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        config(**asked)


def test_digits_mean_the_clip_at_that_place() -> None:
    keys = {control.key: control.value["choice"] for control in KINDS["actions"].controls}
    pairs = {control.key: control.value["choice"] for control in KINDS["pairwise"].controls}
    assert keys == {"1": "A", "2": "B", "3": "C", "0": "cant_tell"}
    assert {key: pairs[key] for key in ("1", "2", "0")} == {key: keys[key] for key in ("1", "2", "0")}
