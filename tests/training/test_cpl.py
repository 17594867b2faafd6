"""A policy from comparisons of recorded actions."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, Episode, Segment
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.policies.base import GaussianActor
from robo_rlhf.reward_fitting.answers import AnswerData, gather
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import cpl
from tests.toy import ToyEnv, ToyOperator

CONFIG = cpl.Config(settings={"width": 32}, clone_updates=200, updates=300, learning_rate=1e-3, steps=20)


class Drifting(ToyOperator):
    """An operator who always pulls to one side."""

    def act(self, obs: Array) -> Array:
        found: Array = np.clip(0.5 * super().act(obs) + np.array([0.5, -0.5]), -1, 1).astype(np.float32)
        return found


def driven(operator: ToyOperator, name: str) -> list[Episode]:
    episodes = rollout(ToyEnv(20), operator, np.arange(20))
    return [replace(e, meta=replace(e.meta, id=f"{name}{i}")) for i, e in enumerate(episodes)]


STEADY, DRIFTED = driven(ToyOperator(noise=0.2), "steady"), driven(Drifting(noise=0.2), "drifted")
KNOWN = {e.meta.id: e for e in [*STEADY, *DRIFTED]}


def judged(choice: str = "A") -> AnswerData:
    """Return comparisons of each steady episode (A) with the drifted one from the same start."""
    questions, answers = [], []
    for one, other in zip(STEADY, DRIFTED, strict=True):
        for start in (0, 15):
            clips = (Segment(one.meta.id, start, 25), Segment(other.meta.id, start, 20))
            asked = Question(question_id("r", 1, "pairwise", clips), "r", 1, "pairwise", "toy", clips, "d")
            questions.append(asked)
            answers.append(Answer(asked.id, "ann", "human", {"choice": choice}, "2026-01-01T00:00:00+00:00", 1.0))
    return gather(questions, answers, lambda dataset, name: KNOWN[name])


def error(policy: GaussianActor) -> float:
    """Return the squared error of a policy at what a steady hand does."""
    obs, action = (np.concatenate([getattr(e, name)[: len(e)] for e in STEADY]) for name in ("obs", "action"))
    found: Array = (policy.act(obs) - action) ** 2
    return float(found.mean())


def test_the_policy_acts_like_the_clips_that_were_preferred(tmp_path: Path) -> None:
    cloned = cpl.train(replace(CONFIG, updates=1), Run(tmp_path / "cloned", {}), judged())
    run = Run(tmp_path / "contrast", {})
    contrasted = cpl.train(CONFIG, run, judged())
    assert error(contrasted) < 0.8 * error(cloned)
    result = run.result()
    assert result is not None
    assert (result["updates"], result["comparisons"]) == (500, 40)
    assert result["accuracy"] > 0.9
    other = cpl.train(CONFIG, Run(tmp_path / "other", {}), judged("B"))
    assert error(other) > error(cloned)


def test_the_loss_is_the_biased_contrast_of_both_clips(tmp_path: Path) -> None:
    learner = cpl.CPLLearner(replace(CONFIG, alpha=0.5, bias=0.25, batch=1000, clone_weight=0.0), judged())
    score = learner.scores(learner.pairs, torch.zeros(len(learner.pairs))).detach()
    assert score.shape == (40, 2)
    clips, first = learner.clips, learner.pairs[0, 1]  # 20 steps: as many as are asked for
    mean = learner.policy.distribution(clips.obs[first, :20]).mean
    error = (mean - clips.action[first, :20]).detach().square().sum()
    assert float(score[0, 1]) == pytest.approx(-0.5 * float(error), rel=1e-4)
    learner.pairs, learner.shares, learner.weight = learner.pairs[:1], torch.tensor([[1.0, 0.0]]), torch.ones(1)
    torch.manual_seed(0)
    found = learner.preference_loss().item()
    margins = []
    for where in np.linspace(0, 0.99, 100):
        a, b = learner.scores(learner.pairs, torch.tensor([where])).tolist()[0]
        margins.append(math.log1p(math.exp(-(a - 0.25 * b))))
    assert min(margins) - 1e-5 <= found <= max(margins) + 1e-5


def test_a_policy_to_start_from_is_not_cloned_again(tmp_path: Path) -> None:
    first = cpl.train(replace(CONFIG, updates=1), Run(tmp_path / "first", {}), judged())
    run = Run(tmp_path / "more", {})
    cpl.train(replace(CONFIG, updates=3, log_every=1), run, judged(), start=first)
    assert [set(row) >= {"contrastive_loss"} for row in run.metrics()] == [True] * 3


def test_answers_that_compare_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="expected comparisons of two clips"):
        cpl.train(CONFIG, Run(tmp_path, {}), judged()._replace(examples=[]))


@pytest.mark.parametrize(("name", "value"), [("bias", 0.0), ("bias", 1.5), ("alpha", 0.0), ("steps", 0)])
def test_settings_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"cpl {name}"):
        replace(CONFIG, **{name: value})
