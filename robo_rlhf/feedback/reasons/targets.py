"""What the reasons of an answer train: the reward head of each one's axis, and the steps around the moment marked.

A reason along an axis is a comparison along that axis: the clip that it is about is worse, or better, than the others
of the question; of a single clip it is a judgement of that clip. A moment is a press about the steps around it, by the
likelihood of `kinds.moments`. An object says where the difference lies: the clip would be better, or worse, were that
object in it as it is in the other clip, and all the rest as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.axes import OVERALL
from robo_rlhf.feedback.question_kind import CLIP_NAMES, REASONS, AnswerValue, Target

AROUND = 5  # steps before and after a moment that are meant with it
FEWEST = 10  # reasons along an axis from which on it has a reward head of its own


class AnswerTarget(NamedTuple):
    """One of the things that an answer trains."""

    kind: str  # of question, whose likelihood explains it
    axis: str
    target: Target
    by_reason: bool = True  # whether a reason says it, and not the answer itself
    object: str = ""  # the second clip is the first one, with this object as it is in the clip that is named second


def reason_targets(value: AnswerValue, clips: Sequence[Segment]) -> Iterator[AnswerTarget]:
    """Yield the training targets of the reasons in a stored answer about `clips`."""
    for one in value.get(REASONS, ()):
        clip = one.get("clip")
        if not clip or clip not in tuple(CLIP_NAMES[: len(clips)]):
            continue
        place, better = CLIP_NAMES.index(clip), one["direction"] == "better"
        if one.get("object") and len(clips) == 2:
            yield _exchanged(one, place, better, clips)
        if one["axis"]:
            yield _along(one["axis"], place, better, len(clips))
        if one.get("step") is not None:
            yield _moment(one, clips[place], better)


def _along(axis: str, place: int, better: bool, clips: int) -> AnswerTarget:
    if clips == 1:
        return AnswerTarget("approval", axis, Target(np.array([float(better)], np.float32)))
    shares = np.full(clips, 0.0 if better else 1.0 / (clips - 1), np.float32)
    shares[place] = 1.0 if better else 0.0
    return AnswerTarget("pairwise", axis, Target(shares))


def _exchanged(one: Mapping[str, Any], place: int, better: bool, clips: Sequence[Segment]) -> AnswerTarget:
    shares = np.array([better, not better], np.float32)
    both = (clips[place], clips[1 - place])
    return AnswerTarget("pairwise", one["axis"] or OVERALL, Target(shares, clips=both), object=one["object"])


def _moment(one: Mapping[str, Any], clip: Segment, better: bool) -> AnswerTarget:
    steps = np.arange(clip.length)
    meant = (np.abs(steps + 0.5 - one["step"]) <= AROUND).astype(np.float32)
    values = np.zeros((2, clip.length), np.float32)
    values[int(not better)] = meant / max(meant.sum(), 1.0)
    return AnswerTarget("moments", one["axis"] or OVERALL, Target(values, clips=(clip,)))
