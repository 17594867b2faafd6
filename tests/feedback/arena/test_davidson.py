"""Ratings from comparisons: laws, known truths, and how often the intervals hold them."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.stats import Interval, wilson
from robo_rlhf.feedback.arena.davidson import MIDDLE, POINTS, HeadToHead, PairOutcome, more_needed, pair_of, rate

COMPARED = st.builds(
    PairOutcome,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 7),
    st.sampled_from([1.0, 0.5]),
).filter(lambda one: one.first != one.second)
MANY = st.lists(COMPARED, max_size=40)


def turned(one: PairOutcome) -> PairOutcome:
    return PairOutcome(one.second, one.first, 1 - one.score, one.cluster, one.weight)


def drawn(strengths: list[float], seeds: int, rng: np.random.Generator, tie: float = -0.7) -> list[PairOutcome]:
    """Compare everybody with everybody on each seed, as the model says."""
    found = []
    for seed in range(seeds):
        for i in range(len(strengths)):
            for j in range(i + 1, len(strengths)):
                half = (strengths[i] - strengths[j]) / 2
                chance = np.exp([half, -half, tie])
                found.append(PairOutcome(i, j, (1.0, 0.0, 0.5)[rng.choice(3, p=chance / chance.sum())], seed))
    return found


@settings(max_examples=25)
@given(MANY, st.data())
def test_neither_the_order_nor_the_sides_matter(compared: list[PairOutcome], data: st.DataObject) -> None:
    other = [turned(one) if data.draw(st.booleans()) else one for one in data.draw(st.permutations(compared))]
    first, second = rate(compared, 3, resamples=50), rate(other, 3, resamples=50)
    np.testing.assert_allclose(np.array(first.values), np.array(second.values), atol=1e-6)
    np.testing.assert_allclose(first.best, second.best, atol=1e-9)
    a, b = pair_of(compared, 0, 1), pair_of(other, 0, 1)
    assert a[:3] == b[:3]
    assert (a.share is None) == (b.share is None)
    if a.share is not None:
        np.testing.assert_allclose(a.share, b.share, atol=1e-12)


@settings(max_examples=25)
@given(MANY)
def test_a_pair_seen_from_the_other_side_is_the_mirror_image(compared: list[PairOutcome]) -> None:
    one, other = pair_of(compared, 0, 1), pair_of(compared, 1, 0)
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    if one.share is not None and other.share is not None:
        np.testing.assert_allclose(1 - np.array(other.share), np.array(one.share)[[0, 2, 1]], atol=1e-12)
        assert one.decided == other.decided


@settings(max_examples=25)
@given(MANY)
def test_ratings_are_finite_average_to_the_middle_and_lie_in_their_intervals(compared: list[PairOutcome]) -> None:
    found = rate(compared, 3, resamples=50)
    assert np.isfinite(np.array(found.values)).all()
    assert np.mean([one.value for one in found.values]) == pytest.approx(MIDDLE)
    assert sum(found.best) == pytest.approx(1)
    assert all(one.low < one.value < one.high for one in found.values)


def test_two_are_as_far_apart_as_their_wins_say() -> None:
    """With two there is a closed form: the difference of strengths is the log of the ratio of wins (Davidson 1970)."""
    wins, losses, ties = 3000, 1000, 2000
    scores = [1.0] * wins + [0.0] * losses + [0.5] * ties
    found = rate([PairOutcome(0, 1, score, seed) for seed, score in enumerate(scores)], 2, resamples=20)
    assert found.values[0].value - found.values[1].value == pytest.approx(POINTS * log(3), rel=0.01)
    ratio = ties / (wins * losses) ** 0.5
    assert found.tie == pytest.approx(ratio / (2 + ratio), rel=0.01)


def test_a_known_truth_is_found() -> None:
    truth = [0.9, 0.2, 0.0, -1.1]
    found = rate(drawn(truth, 2000, np.random.default_rng(0)), 4, resamples=100)
    np.testing.assert_allclose([one.value - MIDDLE for one in found.values], POINTS * np.array(truth), atol=15)
    assert found.best[0] == 1.0


@pytest.mark.parametrize("seeds", [10, 40])
def test_intervals_hold_the_truth_about_as_often_as_they_say(seeds: int) -> None:
    truth = np.array([0.6, 0.1, -0.7])
    held = []
    for number in range(80):
        found = rate(drawn(truth.tolist(), seeds, np.random.default_rng(number)), 3, resamples=200)
        held += [
            one.low - MIDDLE <= POINTS * x <= one.high - MIDDLE for one, x in zip(found.values, truth, strict=True)
        ]
    assert 0.91 < np.mean(held) < 0.99  # 240 intervals of 95 %


def test_answers_about_one_seed_are_not_taken_for_so_many_seeds() -> None:
    once = drawn([0.5, -0.5], 20, np.random.default_rng(3))
    repeated = [one for one in once for _ in range(9)]  # nine people who all agree
    plain, many = rate(once, 2), rate(repeated, 2)
    assert many.values[0].high - many.values[0].low > 0.6 * (plain.values[0].high - plain.values[0].low)
    assert pair_of(repeated, 0, 1).share == pytest.approx(pair_of(once, 0, 1).share)


def test_who_always_wins_is_not_taken_to_be_infinitely_good() -> None:
    found = rate([PairOutcome(0, 1, 1.0, seed) for seed in range(20)], 2)
    assert found.values[0].low > MIDDLE
    assert found.values[0].high - found.values[0].low > 300


def test_a_pair_without_ties_has_wilsons_interval_and_less_reliable_judges_a_wider_one() -> None:
    sure = [PairOutcome(0, 1, float(seed < 15), seed) for seed in range(20)]
    assert pair_of(sure, 0, 1).share == pytest.approx(wilson(15, 20))
    mixed = [one._replace(weight=1.0 if one.cluster % 2 else 0.1) for one in sure]
    found, plain = pair_of(mixed, 0, 1).share, pair_of(sure, 0, 1).share
    assert found is not None
    assert plain is not None
    assert found.high - found.low > plain.high - plain.low
    assert pair_of([one._replace(weight=0.0) for one in sure], 0, 1).share is None


def test_as_many_more_as_are_said_to_be_needed_mostly_tell() -> None:
    have = pair_of([PairOutcome(0, 1, float(seed % 3 > 0), seed) for seed in range(12)], 0, 1)
    assert not have.decided
    more = more_needed(have, 12)
    assert more is not None
    assert have.share is not None
    rng = np.random.default_rng(0)
    told = [
        pair_of([PairOutcome(0, 1, float(rng.random() < have.share.value), s) for s in range(12 + more)], 0, 1).decided
        for _ in range(200)
    ]
    assert 0.7 < np.mean(told) < 0.92


@pytest.mark.parametrize(
    ("pair", "more"),
    [
        (HeadToHead(0, 0, 0, None), None),
        (HeadToHead(50, 10, 0, wilson(50, 60)), 0),
        (HeadToHead(30, 30, 0, Interval(0.5, 0.38, 0.62)), None),
    ],
)
def test_nothing_is_guessed_where_nothing_can_be(pair: HeadToHead, more: int | None) -> None:
    assert more_needed(pair, round(pair.judged)) == more
