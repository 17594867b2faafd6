"""Ratings from pairwise comparisons: the Bradley-Terry model with ties, with confidence intervals.

The model of Davidson (1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison
experiments"): with strengths a and b, the first is preferred in proportion to exp((a - b) / 2), the second to
exp((b - a) / 2), and neither in proportion to exp(t), one t for all. It is a multinomial logit, so its likelihood has
one peak, which Newton's method finds for all resamples of a bootstrap at once.
"""

from collections.abc import Sequence
from math import ceil, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.stats import Interval, wilson
from robo_rlhf.core.types import Array

POINTS = 400 / log(10)  # rating points of one unit of strength: 400 points are odds of ten to one
MIDDLE = 1000.0  # mean rating
PRIOR = 3.0  # deviation of strengths before anything is known: it keeps them finite where one always wins
RESAMPLES = 1000
LEAST_CLUSTERS = 5  # with fewer, comparisons are resampled one by one
ROUNDS, TOLERANCE, LONGEST_STEP = 100, 1e-8, 2.0
POWER = 0.8  # power of the test with as many comparisons as are reported to be needed
MOST_NEEDED = 10_000  # beyond, two are reported to be alike


class PairOutcome(NamedTuple):
    """One comparison, or one person's share in it."""

    first: int  # index of one in the list of compared items
    second: int
    score: float  # score of the first: 1 if it is better, 0 if the second is, 0.5 for a tie
    cluster: int  # comparisons of one cluster are not independent, such as those from one seed
    weight: float = 1.0  # how much it counts, in [0, 1]


class Ratings(NamedTuple):
    """The ratings of K items, in points with mean `MIDDLE`."""

    values: tuple[Interval, ...]  # (K,) with 95 % bootstrap intervals
    best: tuple[float, ...]  # (K,) share of the resamples in which each is the best
    tie: float  # probability of a tie between equals


class HeadToHead(NamedTuple):
    """The comparison of one item with another."""

    wins: float
    losses: float
    ties: float
    share: Interval | None  # of what the first wins, ties counted half, with Wilson's interval; None: never compared

    @property
    def judged(self) -> float:
        """How many comparisons there are."""
        return self.wins + self.losses + self.ties

    @property
    def decided(self) -> bool:
        """Whether one is shown to be better, at 5 %."""
        return self.share is not None and not self.share.low <= 0.5 <= self.share.high


def rate(compared: Sequence[PairOutcome], number: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Ratings:
    """Return the ratings of `number` items, with bootstrap intervals over clusters of comparisons.

    Equal comparisons give equal ratings, in whatever order they come and whichever of two is called the first. Where
    one always wins, all resamples are alike and say nothing; so an interval is never narrower than what the curvature
    of the likelihood says.

    Args:
        compared: what was compared, with what result.
        number: K.
        resamples: of the bootstrap.
        seed: of the resampling.
    """
    counts = _counts(compared, number)  # (C, K, K, 2): wins of i over j, and ties between them
    strength, tie, error = fit(counts.sum(axis=0)[None], number)
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), resamples)
    flat = drawn.astype(np.float64) @ counts.reshape(len(counts), -1)  # (B, K * K * 2)
    resampled, _, _ = fit(flat.reshape(-1, number, number, 2), number)
    low, high = np.quantile(resampled - strength, [0.025, 0.975], axis=0)
    reach = NormalDist().inv_cdf(0.975) * error[0]
    low, high = np.minimum(low, -reach), np.maximum(high, reach)
    rows = zip(*(MIDDLE + POINTS * (strength[0] + more) for more in (0.0, low, high)), strict=True)
    values = (Interval(*(float(x) for x in row)) for row in rows)
    top = resampled >= resampled.max(axis=1, keepdims=True) - 1e-9
    best = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
    return Ratings(tuple(values), tuple(best.tolist()), float(np.exp(tie[0]) / (2 + np.exp(tie[0]))))


def fit(counts: Array, number: int) -> tuple[Array, Array, Array]:
    """Return the likeliest strengths (B, K) with mean 0 and tie parameter (B,), and the strengths' errors (B, K).

    A weak prior keeps all of them finite.

    Args:
        counts: (B, K, K, 2) how often i beat j, and how often i and j were tied (each tie in one of the two places).
        number: K.
    """
    first, second = np.triu_indices(number, 1)
    wins, losses = counts[:, first, second, 0], counts[:, second, first, 0]  # (B, P)
    ties = counts[:, first, second, 1] + counts[:, second, first, 1]
    design = np.zeros((len(first), number))
    design[np.arange(len(first)), first], design[np.arange(len(first)), second] = 0.5, -0.5
    total = wins + losses + ties
    theta = np.zeros((len(counts), number + 1))  # strengths, then t
    for _ in range(ROUNDS):
        half = theta[:, :number] @ design.T  # (B, P) half the difference
        logits = np.stack([half, -half, np.broadcast_to(theta[:, number:], half.shape)])
        share = np.exp(logits - logits.max(axis=0))
        win, loss, tie = share / share.sum(axis=0)
        gradient = np.concatenate(
            [(wins - losses - total * (win - loss)) @ design, (ties - total * tie).sum(-1, keepdims=True)], axis=1
        )
        gradient -= theta / PRIOR**2
        information = _information(total, win, loss, tie, design)
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        theta += step * np.minimum(1.0, LONGEST_STEP / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-12))
        if np.abs(step).max() < TOLERANCE:
            break
    centre = np.eye(number, number + 1) - np.eye(number + 1)[:number].sum(axis=0) / number  # takes the mean off
    variance = np.einsum("kl,blm,km->bk", centre, np.linalg.inv(information), centre)
    return theta @ centre.T, theta[:, number], np.sqrt(variance)


def pair_of(compared: Sequence[PairOutcome], first: int, second: int) -> HeadToHead:
    """Return how `first` compares with `second`.

    Several people's answers to one question are not so many comparisons: they share a cluster, and count as one in the
    interval, with the weights of its people.
    """
    scores: dict[int, list[tuple[float, float]]] = {}
    wins = losses = ties = 0.0
    for one in compared:
        if {one.first, one.second} != {first, second}:
            continue
        score = one.score if one.first == first else 1.0 - one.score
        wins, losses, ties = wins + (score > 0.5), losses + (score < 0.5), ties + (score == 0.5)
        scores.setdefault(one.cluster, []).append((score, one.weight))
    relied = [(np.array(some)[:, 0], np.array(some)[:, 1]) for some in scores.values()]
    known = [(float(score @ weight / weight.sum()), float(weight.mean())) for score, weight in relied if weight.sum()]
    if not known:
        return HeadToHead(wins, losses, ties, None)
    score, weight = np.array(known).T
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return HeadToHead(wins, losses, ties, wilson(effective * float(score @ weight / weight.sum()), effective))


def more_needed(pair: HeadToHead, have: int) -> int | None:
    """Return how many more comparisons would show a difference, if the share is as estimated; 0 where one is shown.

    So many that a test at 5 % finds it with probability `POWER`. None: more than is practical.
    """
    if pair.share is None or pair.decided:
        return 0 if pair.share is not None else None
    gap = abs(pair.share.value - 0.5)
    normal = NormalDist()
    spread = normal.inv_cdf(0.975) / 2 + normal.inv_cdf(POWER) * sqrt(max(0.25 - gap * gap, 0.0))
    if gap * sqrt(MOST_NEEDED) <= spread:
        return None
    return max(ceil((spread / gap) ** 2) - have, 1)


def _counts(compared: Sequence[PairOutcome], number: int) -> Array:
    """Return wins and ties (C, K, K, 2) by cluster; by comparison where there are few clusters."""
    clusters = sorted({one.cluster for one in compared})
    places = {cluster: place for place, cluster in enumerate(clusters)}
    apart = len(clusters) < LEAST_CLUSTERS
    ordered = sorted((_one_way(one) for one in compared), key=lambda one: (one.cluster, *one[:3], one.weight))
    counts = np.zeros((max(len(ordered) if apart else len(clusters), 1), number, number, 2))
    for index, one in enumerate(ordered):
        place = index if apart else places[one.cluster]
        if one.score == 0.5:
            counts[place, one.first, one.second, 1] += one.weight
        else:
            better, worse = (one.first, one.second) if one.score > 0.5 else (one.second, one.first)
            counts[place, better, worse, 0] += one.weight
    return counts


def _one_way(one: PairOutcome) -> PairOutcome:
    """Return a comparison so that the lower place comes first."""
    if one.first <= one.second:
        return one
    return PairOutcome(one.second, one.first, 1.0 - one.score, one.cluster, one.weight)


def _information(total: Array, win: Array, loss: Array, tie: Array, design: Array) -> Array:
    """Return minus the second derivatives (B, K + 1, K + 1) of the log-posterior."""
    spread = total * (win + loss - (win - loss) ** 2)  # (B, P)
    strengths = np.einsum("bp,pk,pl->bkl", spread, design, design)
    cross = (-total * (win - loss) * tie) @ design  # (B, K)
    last = (total * tie * (1 - tie)).sum(-1)
    number = design.shape[1]
    whole = np.zeros((len(total), number + 1, number + 1))
    whole[:, :number, :number] = strengths
    whole[:, :number, number] = whole[:, number, :number] = cross
    whole[:, number, number] = last
    found: Array = whole + np.eye(number + 1) / PRIOR**2
    return found
