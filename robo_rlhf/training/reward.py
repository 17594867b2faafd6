"""Reward learning: fits a reward model to answers about clips."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Episode
from robo_rlhf.feedback.axes import OVERALL
from robo_rlhf.feedback.quality.annotator_skill import Judgement
from robo_rlhf.feedback.quality.predictions import keep_predictions
from robo_rlhf.feedback.quality.report import weighted, weights_among
from robo_rlhf.feedback.records import Answer, Question
from robo_rlhf.reward_fitting.answers import (
    AnswerData,
    ClipLoader,
    Load,
    clips_of,
    episodes_of,
    fold_of,
    gather,
    oddities,
    people_agree,
)
from robo_rlhf.reward_fitting.axes import AxesTrainer
from robo_rlhf.reward_fitting.groups import group_accuracy, group_warnings, split_by_group, weighted_within
from robo_rlhf.reward_fitting.priors import with_demonstrations, with_success_marks, with_unlabeled
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import FitReport, Progress, RewardTrainer, Trainer, fit
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from robo_rlhf.training_tools.settings import RewardSettings
from robo_rlhf.vision.seen_episodes import SeenEpisodes

__all__ = [
    "AnswerData",
    "Config",
    "ExtraData",
    "Load",
    "episodes_of",
    "fit_in_memory",
    "gather",
    "head_of",
    "new_trainer",
    "train",
    "trainer_of",
]


Config = RewardSettings


class ExtraData(NamedTuple):
    """Training data of a reward model in addition to answers; parts without weight in the configuration are unused."""

    demonstrations: Sequence[Episode] = ()
    marked: Sequence[Episode] = ()  # episodes with an outcome marked by a user
    unlabeled: Sequence[Episode] = ()  # any that clips may be cut from
    checked: Sequence[Judgement] = ()  # answers to gold questions, see `quality.gold_of`: reliability of each annotator
    pictures: SeenEpisodes | None = None  # what a reward with cameras sees, of the clips and of the episodes above
    teams: Mapping[str, str] = MappingProxyType({})  # the groups that each annotator names, see `accounts.groups`


def train(
    config: Config,
    run: Run,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    load: Load,
    extra: ExtraData | None = None,
    *,
    progress: Progress | None = None,
) -> RewardModel:
    """Learn from `answers` to `questions`, saved as the run's checkpoint "reward"; resume where a killed run stopped.

    `load` finds the episodes, see `episodes_of`. Answers about deleted clips are skipped and counted; anomalies of the
    answers are logged among the run's events.

    Raises:
        InvalidValueError: no informative answer; or a demonstration, or another episode, does not fit the clips.
        UnknownNameError: no such kind of reward model.
        NonFiniteError: the loss is not finite; the previous checkpoint is kept.
    """
    path = run.checkpoint_path("reward")
    if run.result() is not None:
        return load_reward(path)
    extra = extra or ExtraData()
    judged = prepare(config, questions, answers, load, extra)
    trainer = new_trainer(config, judged)
    report = fit(trainer, run, save_every=config.save_every, progress=progress)
    meta = {"task": judged.task, "algorithm": "reward", "answers": report.trained.answers}
    save_reward(trainer.model, path, meta)
    keep(run, report, judged, questions, answers)
    result = describe(config, report, judged, questions, answers, extra)
    for sentence in result["oddities"]:
        run.event("odd answers", what=sentence)
    run.finish(result)
    return trainer.model


def prepare(
    config: Config,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    load: Load,
    extra: ExtraData,
    *,
    loader: ClipLoader | None = None,
) -> AnswerData:
    """Return all training data, as tensors; raises as `train`."""
    if config.weigh_people and config.per_group:
        answers = weighted_within(questions, answers, extra.teams)
    elif config.weigh_people:
        answers = weighted(answers, weights_among(questions, answers, extra.checked))
    judged = gather(questions, answers, load, loader=loader)._replace(pictures=extra.pictures)
    if config.demonstration_weight and extra.demonstrations:
        rng = np.random.default_rng(config.seed)
        asked = clips_of(questions, load)
        judged = with_demonstrations(judged, asked, extra.demonstrations, config.demonstration_weight, rng)
    if config.success_weight and extra.marked:
        rng = np.random.default_rng((config.seed, 1))
        judged = with_success_marks(judged, extra.marked, config.success_weight, rng)
    if config.unlabeled and extra.unlabeled:
        rng = np.random.default_rng((config.seed, 2))
        judged = with_unlabeled(judged, extra.unlabeled, config.unlabeled, rng)
    return split_by_group(judged, extra.teams) if config.per_group else judged


def describe(
    config: Config,
    report: FitReport,
    judged: AnswerData,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    extra: ExtraData,
) -> dict[str, Any]:
    """Return the model's scores as a JSON object, also by annotator, group and round, with the people's agreement."""
    agreed, pairs = people_agree(questions, answers)
    weights = weights_among(questions, answers, extra.checked) if config.weigh_people else {}
    found = report.as_json()
    people = {judged.annotators[i]: person for i, person in found["people"].items()}
    groups = group_accuracy(report.predicted, judged.annotators, extra.teams)
    axes = {name: {"trained": of["trained"], "held_out": of["held_out"]} for name, of in found["axes"].items()}
    return {
        **found,
        "axes": axes,
        "people": people,
        "groups": groups,
        "weights": {name: round(weight, 4) for name, weight in sorted(weights.items())},
        "agreement": {"between_people": agreed, "pairs": pairs},
        "skipped": judged.skipped,
        "oddities": oddities(questions, answers) + group_warnings(groups, per_group=config.per_group),
    }


def keep(
    run: Run, report: FitReport, judged: AnswerData, questions: Sequence[Question], answers: Sequence[Answer]
) -> None:
    """Keep what the model predicts of each held-out answer, for the people who gave them."""
    held = report.predicted
    if held is None:
        return
    ids: dict[int, list[str]] = {}
    for question in questions:
        ids.setdefault(fold_of(question), []).append(question.id)
    chances: dict[tuple[int, int], list[float]] = {}  # (annotator, question) → by each member that holds it out
    given = torch.where(held.right > 0.5, held.confidence, 1 - held.confidence)
    columns = zip(held.annotator.tolist(), held.question.tolist(), given.tolist(), strict=True)
    for person, asked, chance in columns:
        if person >= 0 and chance == chance:
            chances.setdefault((person, asked), []).append(chance)
    people: dict[str, dict[str, float]] = {}
    for (person, asked), some in sorted(chances.items()):
        mine = people.setdefault(judged.annotators[person], {})
        mine.update(dict.fromkeys(ids.get(asked, ()), sum(some) / len(some)))
    keep_predictions(run.path, people, max((answer.number for answer in answers), default=0))


def fit_in_memory(config: Config, judged: AnswerData) -> tuple[RewardModel, FitReport]:
    """Learn as `train` does, in memory alone."""
    trainer = new_trainer(config, judged)
    report = fit(trainer)
    return trainer.model, report


def new_trainer(config: Config, judged: AnswerData) -> Trainer:
    """Return a trainer with a new model, its weights drawn from the seed."""
    pictures = judged.pictures
    obs_dim, act_dim = judged.clips.obs.shape[-1] - (pictures is not None), judged.clips.action.shape[-1]
    kind, settings = head_of(config, judged)
    with seeded(config.seed):
        model = new_reward(kind, obs_dim, act_dim, settings)
    if pictures is not None and pictures.encoder is not None:
        model.take_encoder(pictures.encoder)
    return trainer_of(model, judged, config.fit, config.seed)


def trainer_of(
    model: RewardModel, judged: AnswerData, settings: FitSettings, seed: int, *, warm: bool = False
) -> Trainer:
    """Return what fits a model, or each of its heads, to answers; see `RewardTrainer`."""
    if judged.pictures is not None:
        model.look_at(judged.pictures)
    if isinstance(model, AxesReward):
        return AxesTrainer(model, judged.clips, judged.examples, settings, seed, warm=warm)
    return RewardTrainer(model, judged.clips, judged.examples, settings, seed, warm=warm)


def head_of(config: Config, judged: AnswerData) -> tuple[str, dict[str, Any]]:
    """Return kind and settings of the model to learn: the configured one, or heads of it where axes are named."""
    axes = sorted({group.axis for group in judged.examples if len(group)})
    if set(axes) <= {OVERALL} or config.reward == AxesReward.kind:
        return config.reward, config.settings
    members = {name: value for name, value in config.settings.items() if name == "members"}
    rest = {name: value for name, value in config.settings.items() if name != "members"}
    return AxesReward.kind, {"axes": axes, "of": config.reward, **members, "settings": rest}
