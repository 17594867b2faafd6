"""The alarm that listens to people: questions that are held out for it, and the roll-back."""

from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.feedback.held_out import WATCHES, for_training
from robo_rlhf.feedback.store import Store
from robo_rlhf.pipeline.steps import alarm
from robo_rlhf.training_tools.gates import prefers_older
from tests.pipeline.making import do, fresh_home, read, short_config


def test_people_who_prefer_the_older_policy_are_heard() -> None:
    found = prefers_older([(1, 9)], 0.25, 2)
    assert found == (
        1,
        "people prefer the policy before in 9 of 10 comparisons held out for this (chance alone: 1.1%), while the "
        "learned reward rose by 0.25 a step",
    )
    assert "the learned reward fell by 0.1 a step" in prefers_older([(1, 9)], -0.1, 2).why, "worse by both"
    for quiet in ([(2, 8)], [(9, 1)], [(0, 0)], []):
        assert prefers_older(quiet, 0.25, 2) == (0, "")


def test_a_slow_decline_is_heard_over_rounds() -> None:
    assert not prefers_older([(4, 10)], 0.25, 3).rounds
    found = prefers_older([(4, 10), (3, 11)], 0.25, 3)
    assert (found.rounds, "in 21 of 28" in found.why, "over 2 rounds (chance alone: 0.6%)" in found.why) == (2, 1, 1)
    assert prefers_older([(9, 5), (0, 14)], 0.25, 3).rounds == 1, "the newest alone"


@pytest.mark.parametrize("looks", [2, 3, 6])
def test_policies_that_are_equally_good_are_seldom_rolled_back(looks: int) -> None:
    older = np.random.default_rng(0).binomial(15, 0.5, (1000, looks))
    fired = [
        any(prefers_older([(15 - o, o) for o in run[:k]], 1.0, looks).rounds for k in range(1, looks + 1))
        for run in older.tolist()
    ]
    assert np.mean(fired) <= 0.05


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
            starts = {clip.episode_id.split("-")[1] for clip in question.segments}
            assert len(starts) == len({clip.start for clip in question.segments}) == 1, "from the same start and stage"
        (told,) = store.rounds.list("short")
        assert (told.round, told.state, told.meta["continues_with"]) == (2, "rolled back", "the policy before")
    assert read(path, "round-2/alarm/result.json")["fired"] is True
    assert read(path, "round-3/alarm/result.json")["fired"] is False
    assert read(path, "result.json")["policy"] == "round-2/finetune"
    assert read(path, "round-2/reward/result.json")["trained"]["answers"] <= 12
    events = read_lines(path / "events.jsonl", lambda row: "event" in row)
    (event,) = [event for event in events if event["event"] == "rolled back"]
    assert "people prefer the policy before in 6 of 6" in event["why"]


def test_a_slow_decline_is_given_up_after_the_last_round(
    reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = {2: (2, 6), 3: (1, 7)}
    monkeypatch.setattr(alarm, "_votes", lambda context, number: votes[number])
    monkeypatch.setattr(alarm, "_gain", lambda context, policy, number: 0.5)
    home = fresh_home(reach_home, tmp_path / "home")
    config = short_config(alarm_questions=8, approvals=0.0, meanwhile=True)
    path = do(config, home)
    assert read(path, "result.json")["policy"] == "clone"
    with Store(home / "feedback.db") as store:
        answered = {answer.question_id for answer in store.answers(run="short")}
        assert {question.id for question in store.questions(run="short", round=3)} <= answered, "also without rounds"
        (told,) = store.rounds.list("short")
        assert (told.round, told.state, told.meta["continues_with"]) == (3, "rolled back", "the policy before")
        assert "in 13 of 16" in told.meta["why"]


def test_an_alarm_without_answers_says_so(reach_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "_votes", lambda context, number: (0, 0))
    path = do(short_config(alarm_questions=2, approvals=0.0), fresh_home(reach_home, tmp_path / "home"))
    why = "nobody has answered any of the 2 questions that are held out for it"
    assert read(path, "round-2/alarm/result.json") == {
        "newer": 0,
        "older": 0,
        "fired": False,
        "why": why,
        "began": 2,
    }
