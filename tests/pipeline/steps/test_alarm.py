"""The alarm that listens to people: questions that are held out for it, and the roll-back."""

from pathlib import Path

import pytest

from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.feedback.held_out import WATCHES, for_training
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.steps import alarm
from robo_rlhf.training_tools.gates import prefers_older
from tests.pipeline.making import do, fresh_home, read, short_config


def test_people_who_prefer_the_older_policy_are_heard_where_the_reward_rises() -> None:
    found = prefers_older(1, 9, 0.25)
    assert found == (
        "people prefer the policy before in 9 of 10 comparisons held out for this (chance alone: 1.1%), while the "
        "learned reward rose by 0.25 a step"
    )
    for quiet in (
        prefers_older(2, 8, 0.25),
        prefers_older(1, 9, -0.1),
        prefers_older(9, 1, 0.25),
        prefers_older(0, 0, 1.0),
    ):
        assert quiet == ""


def test_a_policy_that_people_find_worse_is_rolled_back(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = {2: (0, 6), 3: (6, 0)}
    monkeypatch.setattr(alarm, "_votes", lambda context, number: votes[number])
    monkeypatch.setattr(alarm, "_gain", lambda context, policy, number: 0.5)
    home = fresh_home(reach_home, tmp_path / "home")
    path = do(short_config(alarm_questions=6, approvals=0.0), home)
    with Store(home / "feedback.db") as store:
        asked = store.questions(run="short")
        held = [q for q in asked if WATCHES in q.meta]
        assert ([q.round for q in held], len(for_training(asked))) == ([2] * 6 + [3] * 6, 12 + 3)
        assert [(q.round, len(q.segments)) for q in asked if q.kind == "rating"] == [(3, 1)] * 3, "of the last policy"
        assert {q.meta[WATCHES] for q in held} == {"A", "B"}
        for question in held:
            clips = {name: clip for name, clip in zip("AB", question.segments, strict=True)}
            assert clips[question.meta[WATCHES]].episode_id.startswith(f"r{question.round}-")
        (told,) = store.rounds.list("short")
        assert (told.round, told.state, told.meta["continues_with"]) == (2, "rolled back", "the policy before")
    assert read(path, "round-2/alarm/result.json")["fired"] is True
    assert read(path, "round-3/alarm/result.json")["fired"] is False
    assert read(path, "result.json")["policy"] == "round-2/finetune"
    assert read(path, "round-2/reward/result.json")["trained"]["answers"] <= 12
    events = read_lines(path / "events.jsonl", lambda row: "event" in row)
    (event,) = [event for event in events if event["event"] == "rolled back"]
    assert "people prefer the policy before in 6 of 6" in event["why"]


def test_the_last_policy_is_given_up_where_people_find_it_worse(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = {2: (3, 3), 3: (0, 6)}
    monkeypatch.setattr(alarm, "_votes", lambda context, number: votes[number])
    monkeypatch.setattr(alarm, "_gain", lambda context, policy, number: 0.5)
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config(alarm_questions=6, approvals=0.0, meanwhile=True)
    path = do(config, home)
    assert read(path, "result.json")["policy"] == "round-1/finetune"
    with Store(home / "feedback.db") as store:
        answered = {answer.question_id for answer in store.answers(run="short")}
        assert {question.id for question in store.questions(run="short", round=3)} <= answered, "also without rounds"
        (told,) = store.rounds.list("short")
        assert (told.round, told.state, told.meta["continues_with"]) == (3, "rolled back", "round 1")


def test_an_alarm_without_answers_says_so(reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "_votes", lambda context, number: (0, 0))
    path = do(short_config(alarm_questions=2, approvals=0.0), fresh_home(reach_home, tmp_path / "home"))
    why = "nobody has answered any of the 2 questions that are held out for it"
    assert read(path, "round-2/alarm/result.json") == {"newer": 0, "older": 0, "fired": False, "why": why}
