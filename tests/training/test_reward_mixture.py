"""One reward model fitted to answers of every kind at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_rlhf.core.types import Array, Episode, EpisodeMeta, Segment, Source
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.store import Answer, Question, question_id
from robo_rlhf.feedback.teachers import Teacher
from robo_rlhf.reward_fitting.scores import clip_returns
from robo_rlhf.reward_fitting.trainer import FitSettings
from robo_rlhf.training.reward import AnswerData, Config, fit_in_memory, gather
from tests.rewards.making import linear, walks

QUICK = Config(settings={"width": 32, "members": 3}, fit=FitSettings(updates=300, check_every=50))
CLIPS = {"actions": 3, "pairwise": 2, "axes": 2, "ranking": 4}  # a question; the other kinds ask about one
STEPS = 50


TEACHING = [name for name in KINDS if KINDS[name].needs != "success"]  # a reward, not a success head


def episodes(count: int, seed: int) -> dict[str, Episode]:
    obs, action = walks(count, seed, STEPS)
    made = {}
    for number in range(count):
        meta = EpisodeMeta(f"e{number}", "reach", number, 0.05, "success")
        reward = linear(obs[number, 1:], action[number]).astype(np.float32)
        arrays = {"state": np.zeros((STEPS + 1, 0)), "reward": reward, "success": np.zeros(STEPS + 1, bool)}
        source = np.full(STEPS, int(Source.POLICY), np.uint8)
        made[meta.id] = Episode(obs[number], action[number], **arrays, source=source, signals={}, meta=meta)
    return made


def ask(kind: str, shelf: dict[str, Episode], count: int, teacher: Teacher) -> tuple[list[Question], list[Answer]]:
    rng = np.random.default_rng(len(kind))
    questions, answers = [], []
    for _ in range(count):
        chosen = rng.choice(list(shelf), CLIPS.get(kind, 1), replace=False)
        length = int(rng.integers(30, STEPS + 1))
        clips = tuple(Segment(str(name), 0, length) for name in chosen)
        question = Question(question_id("run", 0, kind, clips), "run", 0, kind, "reach", clips, "data")
        if kind == "correction":
            value = show_how(question, shelf)
        else:
            value = teacher.answer(question, [shelf[clip.episode_id].reward[:length] for clip in clips])
        KINDS[kind].validate(value, len(clips))
        questions.append(question)
        answers.append(Answer(question.id, "teacher", "simulated", value, "", None))
    return questions, answers


def show_how(question: Question, shelf: dict[str, Episode]) -> dict[str, object]:
    """Return a correction by another episode that is better; the clip is fine where none is."""
    clip = question.segments[0]
    worth = {name: float(episode.reward[: clip.length].sum()) for name, episode in shelf.items()}
    better = [name for name in shelf if worth[name] > worth[clip.episode_id]]
    if not better:
        return {"choice": "fine"}
    link = {"dataset": "data", "episode": better[0], "start": 0, "length": clip.length, "from": 0}
    return {"choice": "corrected", **link}


def judged(kinds: list[str], shelf: dict[str, Episode], count: int) -> AnswerData:
    teacher = Teacher().calibrated([episode.reward for episode in shelf.values()])
    questions, answers = [], []
    for kind in kinds:
        asked, said = ask(kind, shelf, count, teacher)
        questions, answers = questions + asked, answers + said
    return gather(questions, answers, lambda _, name: shelf[name])


def order_of(found: Array, true: Array) -> float:
    return float(np.corrcoef(found, true)[0, 1])


def test_all_kinds_together_teach_one_reward() -> None:
    shelf = episodes(60, 0)
    everything = judged(TEACHING, shelf, 25)
    assert {group.likelihood.kind for group in everything.examples} == set(TEACHING)  # type: ignore[attr-defined]
    model, report = fit_in_memory(QUICK, everything)
    assert report.held_out.accuracy is not None
    assert report.held_out.accuracy > 0.7
    fresh = episodes(40, 99)
    clips = judged(["approval"], fresh, 40).clips
    true = np.array([linear(o.numpy(), a.numpy())[m.numpy() > 0].sum() for o, a, m in each(clips)])
    assert order_of(clip_returns(model, clips).mean(0).numpy(), true) > 0.7


def each(clips: object) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    return list(zip(clips.next_obs, clips.action, clips.mask, strict=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", TEACHING)
def test_each_kind_alone_teaches_something(kind: str) -> None:
    shelf = episodes(60, 1)
    config = replace(QUICK, fit=FitSettings(updates=100, check_every=50))
    _, report = fit_in_memory(config, judged([kind], shelf, 40))
    assert report.trained.accuracy is not None
    assert report.trained.accuracy > 0.7


def test_steps_after_the_end_of_a_short_clip_teach_nothing() -> None:
    shelf = episodes(20, 2)
    found = judged(["moments"], shelf, 20)
    group = found.examples[0]
    ends = found.clips.mask.sum(1)[group.clips[:, 0]].long()
    for values, end in zip(group.values, ends, strict=True):
        assert not values[:, end:].any()
