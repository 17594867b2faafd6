"""Crowds of simulated annotators of the toy world, some of whom guess or say the opposite."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.types import Episode, Segment
from robo_rlhf.feedback.records import Answer, Question, question_id
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import reward
from tests.toy import ToyEnv, ToyOperator

LENGTH = 12


class Crowd(NamedTuple):
    """What some people said about some questions, and other questions with their true answers."""

    episodes: Mapping[str, Episode]
    questions: Sequence[Question]
    answers: Sequence[Answer]
    fresh: Sequence[Question]
    truth: Sequence[Answer]

    def load(self, dataset: str, episode_id: str) -> Episode:
        """Return an episode."""
        return self.episodes[episode_id]


def crowd(wrong: Mapping[str, float], *, questions: int, overlap: int, seed: int, fresh: int = 300) -> Crowd:
    """Have each question answered by `overlap` people, drawn anew each time.

    Args:
        wrong: of each person, how often they say the opposite of what is true; a half is guessing.
        questions: how many they are asked.
        overlap: how many people answer each.
        seed: of everything.
        fresh: questions to judge by.
    """
    rng = np.random.default_rng(seed)
    episodes = {}
    for level, noise in enumerate((0.3, 1.0, 2.5, 5.0)):
        seeds = 10_000 * (seed + 1) + 100 * level + np.arange(12)
        for i, episode in enumerate(rollout(ToyEnv(12), ToyOperator(noise=noise, pause=0.1, seed=seed), seeds)):
            episodes[f"{level}-{i}"] = episode
    names, asked, sides = sorted(episodes), list[Question](), list[str]()
    known = set[str]()
    while len(asked) < questions + fresh:
        first, second = rng.choice(len(names), 2, replace=False)
        start = int(rng.integers(0, 26))
        clips = (Segment(names[first], start, LENGTH), Segment(names[second], start, LENGTH))
        name = question_id("crowd", 0, "pairwise", clips)
        if name in known:
            continue
        known.add(name)
        asked.append(Question(name, "crowd", 0, "pairwise", "toy", clips, "data"))
        worth = [_worth(episodes[clip.episode_id], clip) for clip in clips]
        sides.append("A" if worth[0] > worth[1] else "B")
    people = sorted(wrong)
    answers = [
        _answer(question, people[who], side if rng.random() >= wrong[people[who]] else "AB"["BA".index(side)])
        for question, side in zip(asked[:questions], sides, strict=False)
        for who in rng.choice(len(people), overlap, replace=False)
    ]
    truth = [_answer(q, "truth", s) for q, s in zip(asked[questions:], sides[questions:], strict=True)]
    return Crowd(episodes, asked[:questions], answers, asked[questions:], truth)


def foreseen(config: reward.Config, said: Crowd) -> float:
    """Return the share of true answers to fresh questions that a reward learned from a crowd predicts."""
    model, _ = reward.fit_in_memory(
        config, reward.prepare(config, said.questions, said.answers, said.load, reward.ExtraData())
    )
    judged = reward.gather(said.fresh, said.truth, said.load)
    accuracy = evaluate(model, judged.clips, judged.examples).accuracy
    assert accuracy is not None
    return accuracy


def _worth(episode: Episode, clip: Segment) -> float:
    steps = slice(clip.start, clip.start + clip.length)
    return float(episode.reward[steps].mean() + episode.success[1:][steps].mean())


def _answer(question: Question, person: str, choice: str) -> Answer:
    return Answer(question.id, person, "simulated", {"choice": choice}, "2026-01-01T00:00:00+00:00", 1.0)
