"""Statistics for small samples: intervals for shares and means, robust means, rank correlation."""

from collections.abc import Mapping, Sequence
from math import comb
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.types import Array

RESAMPLES = 2000  # of a bootstrap


class Interval(NamedTuple):
    """An estimate and its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, count: float, confidence: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval (Wilson 1927); counts need not be whole numbers."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / count
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half: float = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == count else center + half
    return Interval(share, low, high)


def paired_share(old: Array, new: Array, confidence: float = 0.95) -> Interval:
    """Return the difference new - old of two shares on the same M cases, bool (M,) each, with Newcombe's interval.

    Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired data",
    method 10: Wilson's intervals of the two shares, joined with the correlation of the pairs.

    Raises:
        ShapeError: not the same cases.
    """
    if old.shape != new.shape or old.ndim != 1:
        raise ShapeError("paired cases", old.shape, new.shape)
    m = len(old)
    both, only_old = int((old & new).sum()), int((old & ~new).sum())
    only_new, neither = int((~old & new).sum()), int((~old & ~new).sum())
    before, after = wilson(both + only_old, m, confidence), wilson(both + only_new, m, confidence)
    spread = float(both + only_old) * (only_new + neither) * (both + only_new) * (only_old + neither)
    cross = both * neither - only_old * only_new
    phi = max(cross - m / 2, 0) if cross > 0 else cross
    correlation = phi / spread**0.5 if spread else 0.0
    return _newcombe(before, after, correlation)


def clustered_share(hits: Array, cluster: Array, confidence: float = 0.95) -> Interval:
    """Return the share of cases that are right, where cases of one cluster resemble each other.

    Several answers to one question are such a cluster: one mistake of a model about the clips makes all of them wrong.
    It is Wilson's interval of as many independent cases as have the variance between clusters (Kish 1965, "Survey
    sampling": effective sample size; Liang and Zeger 1986).

    Args:
        hits: whether each case is right (M,), bool or in {0, 1}; at least one.
        cluster: the name of the cluster of each case (M,).
        confidence: of the interval.
    """
    share, sums = _cluster_sums(hits, cluster)
    variance, usual, count = _cluster_covariance(sums, sums), share * (1 - share), float(len(hits))
    if not usual:  # all alike: a cluster tells one thing
        count = len(sums)
    elif variance:
        count = min(usual / variance, count)
    return wilson(share * count, count, confidence)


def clustered_difference(old: tuple[Array, Array], new: tuple[Array, Array], confidence: float = 0.95) -> Interval:
    """Return the difference new - old of two shares, each (hits, cluster) as `clustered_share` takes them.

    Clusters of the same name are the same cluster, so that shares which go together, or against each other, count so.
    Newcombe 1998, method 10, with the correlation of the shares over clusters.
    """
    (_, before), (_, after) = _cluster_sums(*old), _cluster_sums(*new)
    both = [_cluster_covariance(sums, sums) for sums in (before, after)]
    spread = float(np.sqrt(both[0] * both[1]))
    correlation = float(np.clip(_cluster_covariance(before, after) / spread, -1, 1)) if spread else 0.0
    return _newcombe(clustered_share(*old, confidence), clustered_share(*new, confidence), correlation)


def share_difference(old: tuple[float, float], new: tuple[float, float], confidence: float = 0.95) -> Interval:
    """Return the difference new - old of two independent shares, each (successes, count), with Newcombe's interval.

    Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
    """
    return _newcombe(wilson(*old, confidence), wilson(*new, confidence), 0.0)


def bootstrap_difference(old: Array, new: Array, confidence: float = 0.95) -> Interval:
    """Return the difference of means new - old of independent samples (M,) and (N,), with a percentile bootstrap.

    Values that are NaN do not count; the resampling has a fixed seed.
    """
    both = [values[~np.isnan(values)] for values in (old, new)]
    if not all(map(len, both)):
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    means = [x[rng.integers(len(x), size=(RESAMPLES, len(x)))].mean(axis=1) for x in both]
    return _percentiles(float(both[1].mean() - both[0].mean()), means[1] - means[0], confidence)


def prediction_powered(predicted: Array, residual: Array, weight: Array, confidence: float = 0.95) -> Interval:
    """Return a share that a model predicts in many cases, corrected by the few in which it is known.

    The mean prediction and the mean residual, which needs no faith in the model (Angelopoulos et al. 2023,
    "Prediction-powered inference"). As Agresti and Caffo (2000) add two cases to a share, two residuals are added, a
    success that was not seen and one that was seen and is none: a few answers without an error prove no perfection.

    Args:
        predicted: chances (N,) in cases drawn by chance.
        residual: what is known less what was predicted (M,), where that was not learned from; in [-1, 1].
        weight: inverse chances (M,) with which these cases were chosen.
        confidence: of the interval.

    Raises:
        ShapeError: not a weight for each residual.
        InvalidValueError: no case.
    """
    if residual.shape != weight.shape or residual.ndim != 1:
        raise ShapeError("weights of residuals", residual.shape, weight.shape)
    if not len(predicted):
        raise InvalidValueError("predictions of a share", "none", "at least one")
    usual = weight.mean() if len(weight) else 1.0
    values, shares = np.append(residual, (1.0, -1.0)), np.append(weight, (usual, usual))
    shares = shares / shares.sum()
    bias = float(shares @ values)
    spread = float(shares**2 @ (values - bias) ** 2) + float(predicted.var()) / len(predicted)
    value, half = float(predicted.mean()) + bias, NormalDist().inv_cdf(0.5 + confidence / 2) * spread**0.5
    low, value, high = np.clip((value - half, value, value + half), 0.0, 1.0).tolist()
    return Interval(value, low, high)


def bootstrap_mean(values: Array, confidence: float = 0.95) -> Interval:
    """Return the mean of values (M,) with a percentile bootstrap interval; values that are NaN do not count.

    The resampling has a fixed seed: equal values give equal intervals.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    index = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return _percentiles(float(values.mean()), values[index].mean(axis=1), confidence)


def mean_over_seeds(scores: Sequence[Array], confidence: float = 0.95) -> Interval:
    """Return the mean over trainings of a score, with a bootstrap interval over seeds and the episodes of each.

    Seeds are drawn first, then episodes of each (a two-level bootstrap): the spread between seeds counts, not only the
    number of episodes. With two or three seeds such an interval is too narrow; with one it is that of its episodes.

    Args:
        scores: one array (M,) a seed: the score of each evaluation episode; an empty list gives NaN.
        confidence: of the interval.
    """
    if not scores:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    means = np.stack([seed[rng.integers(len(seed), size=(RESAMPLES, len(seed)))].mean(axis=1) for seed in scores])
    drawn = rng.integers(len(scores), size=(RESAMPLES, len(scores)))
    resampled = means[drawn, np.arange(RESAMPLES)[:, None]].mean(axis=1)
    return _percentiles(float(np.mean([seed.mean() for seed in scores])), resampled, confidence)


def iqm(scores: Sequence[Array], confidence: float = 0.95) -> Interval:
    """Return the interquartile mean over tasks and seeds, with a bootstrap interval stratified by task.

    As in Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".

    Args:
        scores: one array (S,) a task: a score for each seed that it was trained with.
        confidence: of the interval.

    Raises:
        InvalidValueError: a task without scores.
    """
    if not scores or any(not len(task) for task in scores):
        raise InvalidValueError("an interquartile mean", "a task without scores", "at least one score for every task")
    rng = np.random.default_rng(0)
    drawn = [task[rng.integers(len(task), size=(RESAMPLES, len(task)))] for task in scores]
    value = _interquartile_mean(np.concatenate(scores)[None])[0]
    return _percentiles(float(value), _interquartile_mean(np.concatenate(drawn, axis=1)), confidence)


def spearman(a: Array, b: Array) -> float:
    """Return the rank correlation of a (M,) and b (M,) in [-1, 1], ties by their mean rank; NaN if one is constant.

    Raises:
        ShapeError: they are not of equal length.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ShapeError("scores to correlate", a.shape, b.shape)
    ranks = [_ranks(x) - (len(x) - 1) / 2 for x in (a, b)]
    scale = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / scale if scale else float("nan")


def _newcombe(before: Interval, after: Interval, correlation: float) -> Interval:
    """Return the difference of two shares whose estimates are correlated."""
    value = after.value - before.value
    down, up = after.value - after.low, after.high - after.value
    before_down, before_up = before.value - before.low, before.high - before.value
    below = down**2 - 2 * correlation * down * before_up + before_up**2
    above = up**2 - 2 * correlation * up * before_down + before_down**2
    return Interval(value, value - max(below, 0.0) ** 0.5, value + max(above, 0.0) ** 0.5)


def _cluster_sums(hits: Array, cluster: Array) -> tuple[float, dict[object, float]]:
    """Return a share, and of each cluster what it adds to the error of that share."""
    share = float(np.mean(hits))
    names, place = np.unique(cluster, return_inverse=True)
    sums = np.bincount(place, np.asarray(hits, np.float64) - share) / len(hits)
    return share, dict(zip(names.tolist(), sums.tolist(), strict=True))


def _cluster_covariance(one: Mapping[object, float], other: Mapping[object, float]) -> float:
    """Return the covariance of two shares; 0 where there is one cluster."""
    count = len({*one, *other})
    total = sum(value * other.get(name, 0.0) for name, value in one.items())
    return total * count / (count - 1) if count > 1 else 0.0


def _percentiles(value: float, resampled: Array, confidence: float) -> Interval:
    low, high = np.quantile(resampled, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(value, float(low), float(high))


def _interquartile_mean(values: Array) -> Array:
    """Return the mean of the middle half of values (B, M), with shares of the values at the edges."""
    count = values.shape[1]
    ordered = np.sort(values, axis=1)
    edges = np.arange(count + 1)
    weight = np.clip(np.minimum(edges[1:], 0.75 * count) - np.maximum(edges[:-1], 0.25 * count), 0.0, 1.0)
    middle: Array = (ordered * weight).sum(axis=1) / weight.sum()
    return middle


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    return ranks


def binomial_tail(k: int, n: int) -> float:
    """Return the chance of k or more heads in n throws of a fair coin."""
    return float(sum(comb(n, i) for i in range(k, n + 1)) / 2**n)
