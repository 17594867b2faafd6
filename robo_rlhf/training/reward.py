"""Reward learning: from answers about clips to a reward model that explains them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.errors import CorruptFileError, InvalidValueError, NonFiniteError, NotFoundError
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.kinds.base import QueryKind, Target
from robo_rlhf.feedback.store import Answer, Question
from robo_rlhf.learning import seeded
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from robo_rlhf.rewards.clips import Clips, Examples, check_clip, cut_clips
from robo_rlhf.rewards.settings import FitSettings
from robo_rlhf.rewards.trainer import Progress, Report, RewardTrainer, fit
from robo_rlhf.runs import Run
from robo_rlhf.types import Array, Episode, Segment, Source

Load = Callable[[str, str], Episode]  # (dataset, episode id) → episode


@dataclass(frozen=True)
class Config:
    """What kind of reward to learn, and how."""

    reward: str = "ensemble"
    """Kind of reward model."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the model, as its constructor names them."""
    fit: FitSettings = field(default_factory=FitSettings)
    """How it is fitted."""
    demonstration_weight: float = 0.0
    """How much "a demonstration is better than the policy" counts in all, as a share of the answers' weight."""
    save_every: int = 200
    """Updates between checkpoints of the training itself."""
    seed: int = 0
    """Seed of initial weights and batches."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InvalidValueError: one is outside its range.
        """
        if self.demonstration_weight < 0:
            raise InvalidValueError("reward demonstration_weight", self.demonstration_weight, "a number from 0")
        if self.save_every < 1:
            raise InvalidValueError("reward save_every", self.save_every, "at least 1")


class Judged(NamedTuple):
    """Answers as tensors."""

    clips: Clips
    examples: list[Examples]
    skipped: dict[str, int]  # why answers train nothing → how many
    task: str


def train(
    config: Config,
    run: Run,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    load: Load,
    *,
    demonstrations: Sequence[Episode] = (),
    progress: Progress | None = None,
) -> RewardModel:
    """Learn from `answers` to `questions`, saved as the run's checkpoint "reward"; go on where a killed run stopped.

    `load` finds the episodes (see `episodes_of`). Answers about clips that are gone are passed over and counted.

    Raises:
        InvalidValueError: no answer says anything.
        UnknownNameError: no such kind of reward model.
        NonFiniteError: the loss is not finite; the checkpoint before it stands.
    """
    path = run.checkpoint_path("reward")
    if run.result() is not None:
        return load_reward(path)
    judged = gather(questions, answers, load)
    if config.demonstration_weight and demonstrations:
        judged = with_demonstrations(judged, questions, load, demonstrations, config)
    trainer = new_trainer(config, judged)
    report = fit(trainer, run, save_every=config.save_every, progress=progress)
    meta = {"task": judged.task, "algorithm": "reward", "answers": report.trained.answers}
    save_reward(trainer.model, path, meta)
    run.finish({**report.as_json(), "skipped": judged.skipped})
    return trainer.model


def fit_in_memory(config: Config, judged: Judged) -> tuple[RewardModel, Report]:
    """Learn as `train` does, in memory alone."""
    trainer = new_trainer(config, judged)
    report = fit(trainer)
    return trainer.model, report


def new_trainer(config: Config, judged: Judged) -> RewardTrainer:
    """Return a trainer with a new model, its weights drawn from the seed."""
    obs_dim, act_dim = judged.clips.obs.shape[-1], judged.clips.action.shape[-1]
    with seeded(config.seed):
        model = new_reward(config.reward, obs_dim, act_dim, config.settings)
    return RewardTrainer(model, judged.clips, judged.examples, config.fit, config.seed)


def episodes_of(home: Path) -> Load:
    """Return what finds the episodes of questions in the data home, trimmed ones as they were, and remembers them."""

    @cache
    def dataset(name: str) -> Dataset:
        return Dataset(home / name)

    @cache
    def load(name: str, episode_id: str) -> Episode:
        return dataset(name).recall(episode_id)

    return load


def gather(questions: Sequence[Question], answers: Sequence[Answer], load: Load) -> Judged:
    """Return answers as tensors.

    Raises:
        InvalidValueError: no answer says anything about a clip that is there, or the clips are of different tasks.
    """
    asked = {question.id: question for question in questions}
    shelf = _Shelf(load)
    rows: dict[tuple[str, int], list[_Row]] = {}
    skipped: Counter[str] = Counter()
    for answer in answers:
        question = asked.get(answer.question_id)
        if question is None:
            continue
        target = KINDS[question.kind].target(answer.value, question.segments)
        if target is None:
            skipped["says nothing"] += 1
            continue
        try:
            clips = target.clips or question.segments
            datasets = target.datasets or ("",) * len(clips)
            pairs = zip(datasets, clips, strict=True)
            places = [shelf.place(dataset or question.dataset, clip) for dataset, clip in pairs]
        except (NotFoundError, CorruptFileError):
            skipped["clips are gone"] += 1
        except (InvalidValueError, NonFiniteError):
            skipped["clips are broken"] += 1
        else:
            rows.setdefault((question.kind, len(places)), []).append(_Row(places, target, _fold(question.in_any_run)))
    if not rows:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "none were given"
        raise InvalidValueError("answers to learn a reward from", f"0 ({why})", "at least one that compares clips")
    examples = [_examples(KINDS[kind], some) for (kind, _), some in sorted(rows.items())]
    return Judged(shelf.clips(), examples, dict(skipped), shelf.task)


def with_demonstrations(
    judged: Judged, questions: Sequence[Question], load: Load, demonstrations: Sequence[Episode], config: Config
) -> Judged:
    """Add, as a weak prior, that a demonstration is better than what the policy did at the same stage.

    Every clip of a policy's that people were asked about meets one demonstration; these pairs are never held out.
    """
    rng = np.random.default_rng(config.seed)
    shelf = _Shelf(load)
    pieces = []
    for question in questions:
        for clip in question.segments:
            try:
                shelf.place(question.dataset, clip)
            except (NotFoundError, CorruptFileError, InvalidValueError, NonFiniteError):
                continue
    for episode, clip in shelf.pieces:
        shown = demonstrations[int(rng.integers(len(demonstrations)))]
        if np.mean(episode.source[clip.start : clip.start + clip.length] == Source.POLICY) > 0.5:
            length = min(clip.length, len(shown))
            stage = clip.start / max(len(episode) - clip.length, 1)
            pieces.append((shown, Segment(shown.meta.id, round(stage * (len(shown) - length)), length)))
            pieces.append((episode, clip._replace(length=length)))
    if not pieces:
        return judged
    pairs = torch.arange(len(pieces)).view(-1, 2) + len(judged.clips)
    total = sum(float(group.weight.sum()) for group in judged.examples)
    weight = torch.full((len(pairs),), config.demonstration_weight * total / len(pairs))
    values = torch.tensor([[1.0, 0.0]]).expand(len(pairs), 2)
    prior = Examples(KINDS["pairwise"], pairs, values, weight, torch.full((len(pairs),), -1))
    return judged._replace(clips=judged.clips.joined(cut_clips(pieces)), examples=[*judged.examples, prior])


class _Row(NamedTuple):
    places: list[int]
    target: Target
    fold: int


class _Shelf:
    """The clips that were asked about, each once."""

    def __init__(self, load: Load) -> None:
        self.load, self.task = load, ""
        self.pieces: list[tuple[Episode, Segment]] = []
        self.known: dict[tuple[str, Segment], int] = {}

    def place(self, dataset: str, clip: Segment) -> int:
        """Return the place of a clip, which is loaded and checked when it is first asked for."""
        if (dataset, clip) not in self.known:
            episode = self.load(dataset, clip.episode_id)
            check_clip(episode, clip)
            self.task = self.task or episode.meta.task
            self.known[dataset, clip] = len(self.pieces)
            self.pieces.append((episode, clip))
        return self.known[dataset, clip]

    def clips(self) -> Clips:
        first = self.pieces[0][0]
        for episode, _ in self.pieces:
            same = (episode.meta.task, episode.obs.shape[1], episode.action.shape[1])
            if same != (first.meta.task, first.obs.shape[1], first.action.shape[1]):
                given = f"{first.meta.task} and {episode.meta.task}"
                raise InvalidValueError("clips to learn a reward from", given, "all of one task and of one shape")
        return cut_clips(self.pieces)


def _examples(kind: QueryKind, rows: Sequence[_Row]) -> Examples:
    return Examples(
        likelihood=kind,
        clips=torch.tensor([row.places for row in rows]),
        values=torch.from_numpy(_stack([row.target.values for row in rows])),
        weight=torch.tensor([row.target.weight for row in rows]),
        fold=torch.tensor([row.fold for row in rows]),
    )


def _stack(values: Sequence[Array]) -> Array:
    """Stack the values of targets; those of single steps, whose last axes differ, are filled up with 0."""
    longest = max(value.shape[-1] for value in values)
    return np.stack([np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, longest - v.shape[-1])]) for v in values])


def _fold(question: str) -> int:
    """Return a number from 0 that a question keeps for ever, in every run, so that what is held out stays so."""
    return int.from_bytes(hashlib.sha256(b"fold " + question.encode()).digest()[:4])
