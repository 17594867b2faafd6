"""Priors of reward learning in addition to answers: demonstrations, success marks and unlabelled clips."""

from collections.abc import Sequence

import numpy as np
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode, Segment, Source
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.reward_fitting.answers import AnswerData
from robo_rlhf.reward_fitting.clips import AnswerExamples, cut_clips

MARKED_PAIRS = 64  # pairs of a marked success and a marked failure, at most
Piece = tuple[Episode, Segment]


def with_demonstrations(
    judged: AnswerData,
    asked: Sequence[Piece],
    demonstrations: Sequence[Episode],
    weight: float,
    rng: np.random.Generator,
) -> AnswerData:
    """Add, as a weak prior, that a demonstration is better than the policy's clip at the same stage.

    Every clip of a policy in the questions is paired with one demonstration; these pairs are never held out.

    Args:
        judged: the answers.
        asked: the clips of the questions.
        demonstrations: whole episodes.
        weight: what all pairs together count, as a share of the weight of all answers.
        rng: draws the demonstration for each clip.

    Raises:
        InvalidValueError: a demonstration without a step, of another task, or of another shape.
    """
    _check_alike("demonstration", judged, demonstrations)
    pieces: list[Piece] = []
    for episode, clip in asked:
        shown = demonstrations[int(rng.integers(len(demonstrations)))]
        if np.mean(episode.source[clip.start : clip.start + clip.length] == Source.POLICY) > 0.5:
            length = min(clip.length, len(shown))
            stage = clip.start / max(len(episode) - clip.length, 1)
            pieces.append((shown, Segment(shown.meta.id, round(stage * (len(shown) - length)), length)))
            pieces.append((episode, clip._replace(length=length)))
    return _with_pairs(judged, pieces, weight)


def with_success_marks(
    judged: AnswerData, marked: Sequence[Episode], weight: float, rng: np.random.Generator
) -> AnswerData:
    """Add, as a weak prior, that the end of an episode marked as a success is better than that of one that failed.

    Args:
        judged: the answers.
        marked: episodes with a marked outcome; aborted ones are not used.
        weight: what all pairs together count, as a share of the weight of all answers.
        rng: draws the pairs.

    Raises:
        InvalidValueError: an episode without a step, of another task, or of another shape.
    """
    _check_alike("marked episode", judged, marked)
    good = [e for e in marked if e.meta.outcome == "success"]
    bad = [e for e in marked if e.meta.outcome == "failure"]
    if not good or not bad:
        return judged
    count, length = min(MARKED_PAIRS, len(good) * len(bad)), judged.clips.mask.shape[1]
    pieces: list[Piece] = []
    for _ in range(count):
        for group in (good, bad):
            episode = group[int(rng.integers(len(group)))]
            steps = min(length, len(episode))
            pieces.append((episode, Segment(episode.meta.id, len(episode) - steps, steps)))
    return _with_pairs(judged, pieces, weight)


def with_unlabeled(judged: AnswerData, episodes: Sequence[Episode], count: int, rng: np.random.Generator) -> AnswerData:
    """Add `count` unlabelled clips, for the model's self-supervised losses.

    Raises:
        InvalidValueError: an episode without a step, of another task, or of another shape.
    """
    _check_alike("episode", judged, episodes)
    if not episodes or count < 1:
        return judged
    length = judged.clips.mask.shape[1]
    pieces: list[Piece] = []
    for _ in range(count):
        episode = episodes[int(rng.integers(len(episodes)))]
        steps = min(length, len(episode))
        pieces.append((episode, Segment(episode.meta.id, int(rng.integers(len(episode) - steps + 1)), steps)))
    return judged._replace(clips=judged.clips.joined(cut_clips(pieces)))


def _with_pairs(judged: AnswerData, pieces: Sequence[Piece], weight: float) -> AnswerData:
    """Add that in each pair of `pieces` the first is better; all pairs have a share `weight` of the answers' weight."""
    if not pieces:
        return judged
    pairs = torch.arange(len(pieces)).view(-1, 2) + len(judged.clips)
    total = sum(float(group.weight.sum()) for group in judged.examples)
    each = torch.full((len(pairs),), weight * total / len(pairs))
    values = torch.tensor([[1.0, 0.0]]).expand(len(pairs), 2)
    prior = AnswerExamples(KINDS["pairwise"], pairs, values, each, torch.full((len(pairs),), -1))
    return judged._replace(clips=judged.clips.joined(cut_clips(pieces)), examples=[*judged.examples, prior])


def _check_alike(what: str, judged: AnswerData, episodes: Sequence[Episode]) -> None:
    wanted = (judged.clips.obs.shape[-1], judged.clips.action.shape[-1])
    for episode in episodes:
        if not len(episode):
            raise InvalidValueError(f"{what} {episode.meta.id}", "an episode of 0 steps", "at least one step")
        found = (episode.obs.shape[1], episode.action.shape[1])
        if (episode.meta.task, *found) != (judged.task, *wanted):
            given = f"one of {episode.meta.task} with observations ({found[0]},) and actions ({found[1]},)"
            expected = f"one of {judged.task} with observations ({wanted[0]},) and actions ({wanted[1]},), as the clips"
            raise InvalidValueError(f"{what} {episode.meta.id}", given, expected)
