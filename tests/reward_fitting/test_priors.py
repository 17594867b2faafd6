from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.training import reward
from tests.toy import demonstrations
from tests.training.test_reward import ANSWERS, CONFIG, EPISODES, QUESTIONS, load


def learned_from(config: reward.Config, **besides: list[Episode]) -> reward.AnswerData:
    return reward.prepare(config, QUESTIONS, ANSWERS, load, reward.ExtraData(**besides))


def marked(outcome: str, episodes: list[Episode]) -> list[Episode]:
    return [replace(e, meta=replace(e.meta, outcome=outcome)) for e in episodes]


def test_marks_of_success_are_a_weak_prior() -> None:
    config = replace(CONFIG, success_weight=0.5)
    marks = marked("success", demonstrations(6)) + marked("failure", EPISODES[:6])
    judged = learned_from(config, marked=marks)
    *_, prior = judged.examples
    assert float(prior.weight.sum()) == pytest.approx(30)
    assert (prior.fold == -1).all()
    assert prior.annotator is None
    ends = torch.stack([torch.from_numpy(e.obs[-1]) for e in marks[:6]])
    last = judged.clips.next_obs[prior.clips[:, 0], -1]
    assert all(any(torch.equal(row, end) for end in ends) for row in last), "the better clip ends a success"
    model, _ = reward.fit_in_memory(config, judged)
    accuracy = evaluate(model, judged.clips, [prior]).accuracy
    assert accuracy is not None
    assert accuracy > 0.65


@pytest.mark.parametrize("outcomes", [("success", "success"), ("failure", "aborted"), ("success", "aborted")])
def test_marks_of_one_kind_say_nothing(outcomes: tuple[str, str]) -> None:
    marks = marked(outcomes[0], EPISODES[:3]) + marked(outcomes[1], EPISODES[3:6])
    judged = learned_from(replace(CONFIG, success_weight=0.5), marked=marks)
    assert len(judged.examples) == 1


def test_clips_that_nobody_judged_are_added_as_they_are() -> None:
    plain, judged = learned_from(CONFIG), learned_from(replace(CONFIG, unlabeled=30), unlabeled=EPISODES)
    assert len(judged.clips) == len(plain.clips) + 30
    assert len(judged.examples) == 1
    assert judged.clips.mask[-30:].all()


def test_without_a_weight_nothing_is_added() -> None:
    judged = learned_from(CONFIG, demonstrations=demonstrations(2), marked=EPISODES, unlabeled=EPISODES)
    assert len(judged.examples) == 1
    assert len(judged.clips) == len(learned_from(CONFIG).clips)


OTHER = replace(EPISODES[0], meta=replace(EPISODES[0].meta, id="x", task="lift"))
WIDE = replace(EPISODES[0], obs=np.zeros((41, 9), np.float32))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (EPISODES[0].slice(0, 0), "demonstration e0: expected at least one step, got an episode of 0 steps."),
        (
            OTHER,
            "demonstration x: expected one of toy with observations .6,. and actions .2,., as the clips, got one",
        ),
        (WIDE, "got one of toy with observations .9,. and actions .2,."),
    ],
)
def test_demonstrations_that_do_not_go_with_the_clips(given: Episode, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        learned_from(replace(CONFIG, demonstration_weight=0.1), demonstrations=[given])


def test_marks_and_clips_that_do_not_go_with_the_clips() -> None:
    with pytest.raises(InvalidValueError, match="marked episode x: expected one of toy"):
        learned_from(replace(CONFIG, success_weight=0.1), marked=[OTHER])
    with pytest.raises(InvalidValueError, match="episode x: expected one of toy"):
        learned_from(replace(CONFIG, unlabeled=3), unlabeled=[OTHER])
