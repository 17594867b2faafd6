"""Ranking: three to six clips from best to worst, ties allowed.

An answer lists groups of clips, the best first; clips of one group are equally good: [["B"], ["A", "C"]].
"""

import itertools
from collections.abc import Mapping, Sequence
from math import comb
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Segment
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.feedback.likelihoods import log_mixed, predict_best
from robo_rlhf.feedback.question_kind import (
    CANT_TELL,
    CLIP_NAMES,
    NOTHING,
    AnswerValue,
    Control,
    Label,
    QueryKind,
    SimulatedJudge,
    Target,
    check_clips,
    renamed,
)

if TYPE_CHECKING:
    from torch import Tensor


class Ranking(QueryKind):
    """Plackett-Luce: the best is chosen out of all, then the best of the rest, and so on.

    A tie is read as every order of the tied clips, equally often, so that of two clips it counts half for each, as it
    does for pairs. A target holds the place of each clip's group, (K,), 0 for the best.
    """

    kind = "ranking"
    prompt = "Put them in order, the best first."
    layout = "order"
    num_clips = range(3, 7)
    clips_asked = 4
    composed = "an order"
    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"ranking": (), "choice": ()}
    controls = (Control("Can't tell", "0", {"choice": CANT_TELL}),)

    def validate(self, answer: AnswerValue, num_clips: int, asked: Mapping[str, Any] = NOTHING) -> None:
        """Check that the answer is {"ranking": groups} with every clip in one group, or {"choice": "cant_tell"}."""
        check_clips(self, num_clips)
        if "ranking" not in answer and answer.get("choice") == CANT_TELL:
            return
        groups = answer.get("ranking")
        clips = CLIP_NAMES[:num_clips]
        if _names(groups) != list(clips):
            expected = f"a ranking in groups, the best first, with each of {', '.join(clips)} in one"
            raise InvalidValueError("answer to a ranking question", repr(groups), expected)

    def target(self, answer: AnswerValue, clips: Sequence[Segment]) -> Target | None:
        """Return the place of each clip, (K,), 0 for the best, equal for tied ones."""
        if "ranking" not in answer:
            return None
        place = _places(answer)
        return Target(np.array([place[name] for name in CLIP_NAMES[: len(clips)]], np.float32))

    def permute(self, answer: AnswerValue, order: Sequence[int]) -> AnswerValue:
        """Return the answer with the clips renamed; within a group they are in alphabetical order."""
        if "ranking" not in answer:
            return answer
        return {**answer, "ranking": [sorted(renamed(name, order) for name in group) for group in answer["ranking"]]}

    def labels(self, answer: AnswerValue) -> Mapping[str, Label]:
        """Return which of each pair of clips is better, or that neither is."""
        if "ranking" not in answer:
            return {}
        place = _places(answer)
        pairs = itertools.combinations(sorted(place), 2)
        return {a + b: a if place[a] < place[b] else b if place[b] < place[a] else "neither" for a, b in pairs}

    def log_likelihood(self, returns: "Tensor", values: "Tensor", flip: "Tensor") -> "Tensor":
        """Return the mean log likelihood, (E, B), of the orders that agree with the places `values` (B, K).

        With S running over all sets of clips, it is the sum over S and k in S of how often clip k is chosen while just
        the clips of S are left, times log((1 - flip) softmax_S(returns)_k + flip / |S|).
        """
        import torch

        inside = torch.from_numpy(_subsets(returns.shape[-1]))  # (sets, K) bool
        often = _how_often(values, inside).to(returns.dtype)  # (..., sets, K)
        left = returns[..., None, :].masked_fill(~inside, -torch.inf)  # (E, B, sets, K)
        meant = left.log_softmax(-1).masked_fill(~inside, 0.0)
        size = inside.sum(-1, keepdim=True).to(returns.dtype)
        return (often * log_mixed(meant, size, flip[..., None, None])).sum((-2, -1))

    def predict(self, returns: "Tensor", values: "Tensor") -> tuple["Tensor", "Tensor"]:
        """Return the ensemble's probability of the clip that it likes best, and whether people put none above it."""
        return predict_best(returns, -values)

    def simulate(self, judge: SimulatedJudge, returns: Array, steps: Sequence[Array] = ()) -> AnswerValue:
        """Take the best clip, and those that are like it, then the best of the rest; one who is unsure can't tell."""
        if judge.unsure(returns):
            return {"choice": CANT_TELL}
        left, groups = list(range(len(returns))), []
        while left:
            best = left[judge.choose(returns[left])]
            group = [i for i in left if i == best or judge.alike(returns[[best, i]])]
            groups.append([CLIP_NAMES[i] for i in group])
            left = [i for i in left if i not in group]
        return {"ranking": groups}


def _names(groups: object) -> list[str]:
    """Return the sorted names of all clips in groups; [] where these are no lists of names, or one is empty."""
    if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
        return []
    names = [name for group in groups for name in group]
    return sorted(names) if all(isinstance(name, str) for name in names) else []


def _places(answer: AnswerValue) -> dict[str, int]:
    return {name: place for place, group in enumerate(answer["ranking"]) for name in group}


def _subsets(clips: int) -> Array:
    """Return every set of at least two of the clips, (sets, K) bool."""
    rows = [row for row in itertools.product((False, True), repeat=clips) if sum(row) > 1]
    return np.array(rows)


def _how_often(places: "Tensor", inside: "Tensor") -> "Tensor":
    """Return how often clip k is chosen while just the clips of a set are left, (..., sets, K), over tied orders.

    A set is left at some time where it holds all clips below one group, and a part of that group: of a group of g each
    part of t clips is left in one of comb(g, t) orders, and each of its clips is then chosen next in one of t.
    """
    import torch

    place = places[..., None, :].masked_fill(~inside, torch.inf)  # (..., sets, K)
    first = place.amin(-1, keepdim=True)  # place of the group that is being chosen from
    everyone = places[..., None, :]
    whole = ((everyone <= first) | inside).all(-1)  # nothing of what comes later is missing
    part = (place == first).sum(-1)  # t
    group = (everyone == first).sum(-1)  # g
    clips = inside.shape[-1]
    table = torch.tensor([[comb(g, t) or 1 for t in range(clips + 1)] for g in range(clips + 1)])
    share = whole / (table[group, part] * part)
    return share[..., None] * (place == first)


KINDS.register("ranking")(Ranking())
