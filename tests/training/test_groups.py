"""Groups of people: how well one reward serves each, and a reward head for each."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.reward_fitting.groups import group_accuracy, group_warnings, head_of_group, members
from robo_rlhf.reward_fitting.held_out import HeldOutPredictions
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.training import reward
from tests.training.test_reward import BY_ID, ask, load, teach
from tests.training.test_reward import CONFIG as USUAL

CONFIG = replace(USUAL, fit=FitSettings(updates=500, batch=32, learning_rate=3e-3))
OPPOSITE = {"A": "B", "B": "A", "tie": "tie"}
CROWD = ("ann", "bo", "cleo", "dan")
TEAMS = {"zed": "left-handed", "ann": "right-handed"}
QUESTIONS = ask(150, 4)


def opinions(questions: list[Question], people: tuple[str, ...], *, against: tuple[str, ...]) -> list[Answer]:
    """Return the answers of people who judge alike, and of those who judge the other way round."""
    truth = teach(questions)
    found = []
    for person in (*people, *against):
        for answer in truth:
            choice = str(answer.value["choice"])
            choice = OPPOSITE[choice] if person in against else choice
            found.append(replace(answer, annotator=person, value={"choice": choice}))
    return found


def say(people: tuple[str, ...], *, against: tuple[str, ...]) -> list[Answer]:
    return opinions(QUESTIONS, people, against=against)


def fit(answers: list[Answer], teams: dict[str, str], *, per_group: bool) -> tuple[RewardModel, dict[str, object]]:
    config = replace(CONFIG, per_group=per_group, weigh_people=False)
    extra = reward.ExtraData(teams=teams)
    judged = reward.prepare(config, QUESTIONS, answers, load, extra)
    model, report = reward.fit_in_memory(config, judged)
    return model, reward.describe(config, report, judged, QUESTIONS, answers, extra)


def right(model: RewardModel, fresh: list[Question], *, opposite: bool = False) -> float:
    """Return how many of new questions a reward answers as the crowd would, or the other way round."""
    hits = []
    for question, answer in zip(fresh, teach(fresh), strict=True):
        values = []
        for clip in question.segments:
            steps = slice(clip.start, clip.start + clip.length)
            episode = BY_ID[clip.episode_id]
            after = episode.obs[clip.start + 1 : clip.start + clip.length + 1]
            values.append(float(model.predict(episode.obs[steps], episode.action[steps], after)[0].sum()))
        choice = str(answer.value["choice"])
        if choice != "tie":
            hits.append(("A" if values[0] > values[1] else "B") == (OPPOSITE[choice] if opposite else choice))
    return float(np.mean(hits))


def test_one_person_against_four_is_shown_and_served_by_a_head_of_its_own() -> None:
    answers = say(CROWD, against=("zed",))
    alone, found = fit(answers, {"zed": "left-handed"}, per_group=False)
    row = found["groups"]["left-handed"]  # type: ignore[index]
    assert (row["people"], row["served_badly"]) == (1, True)
    assert row["accuracy"]["high"] < row["rest"]["low"]
    sentences = [text for text in found["oddities"] if "left-handed" in text]  # type: ignore[attr-defined]
    assert "--per-group learns a reward for each group" in sentences[0]
    fresh = ask(300, 11)
    assert row["accuracy"]["low"] < right(alone, fresh, opposite=True) < row["accuracy"]["high"]
    own, found = fit(answers, {"zed": "left-handed"}, per_group=True)
    assert isinstance(own, AxesReward)
    assert own.axes == (head_of_group("left-handed"), "overall")
    row = found["groups"]["left-handed"]  # type: ignore[index]
    assert row["rest"]["value"] - row["accuracy"]["value"] < 0.1
    assert right(own.head(own.axes[0]), fresh, opposite=True) > 0.75
    assert right(own.head("overall"), fresh) > 0.75
    assert not torch.equal(*(next(own.head(axis).parameters()) for axis in own.axes))


def test_two_groups_of_one_opinion_are_not_warned_about() -> None:
    _, found = fit(say(("ann", "zed"), against=()), TEAMS, per_group=False)
    assert [row["served_badly"] for row in found["groups"].values()] == [False, False]  # type: ignore[attr-defined]
    assert not any("badly" in text for text in found["oddities"])  # type: ignore[attr-defined]


def test_a_person_in_two_groups_counts_in_both_and_small_groups_have_no_head() -> None:
    both = {"ann": "left-handed, expert", "zed": "expert"}
    assert members(["ann", "bo", "zed"], both) == {"expert": ["ann", "zed"], "left-handed": ["ann"]}
    answers = say(("ann", "bo"), against=())[:155]  # five of bo's
    config = replace(CONFIG, per_group=True)
    judged = reward.prepare(config, QUESTIONS, answers, load, reward.ExtraData(teams={**both, "bo": "few"}))
    counts = {group.axis: len(group) for group in judged.examples}
    assert counts == {"group expert": 150, "group left-handed": 150, "overall": 5}


def test_without_groups_there_is_a_sentence() -> None:
    config = replace(CONFIG, per_group=True)
    with pytest.raises(InvalidValueError, match="people name their groups on the account page"):
        reward.prepare(config, QUESTIONS, say(("ann",), against=()), load, reward.ExtraData())


def test_what_is_known_of_few_answers_is_no_warning() -> None:
    who = torch.tensor([0] * 9 + [1] * 90)
    right = torch.tensor([0.0] * 9 + [1.0] * 90)
    held = HeldOutPredictions(right, right, right, who, who, torch.arange(99))
    found = group_accuracy(held, ["ann", "bo", "cy"], {"ann": "g", "cy": "h"})
    assert set(found) == {"g"}
    assert not found["g"]["served_badly"]
    assert group_warnings(found, per_group=False) == []


def test_many_answers_to_one_question_are_one_thing_that_is_known() -> None:
    """Five people of one opinion about 30 questions tell no more of a reward than one of them."""
    right = (torch.arange(30) % 3 > 0).float()
    questions, whole = torch.arange(30), torch.full((30,), 0)
    alone = HeldOutPredictions(right, right, right, whole, whole, questions)
    many = alone.joined([alone._replace(annotator=whole + i) for i in range(1, 5)])
    one = group_accuracy(alone, ["a"], {"a": "g"})["g"]["accuracy"]
    five = group_accuracy(many, list("abcde"), dict.fromkeys("abcde", "g"))["g"]["accuracy"]
    assert five == pytest.approx(one, abs=0.02)
