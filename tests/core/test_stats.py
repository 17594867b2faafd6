import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.stats import (
    binomial_tail,
    bootstrap_mean,
    clustered_difference,
    clustered_share,
    iqm,
    share_difference,
    spearman,
    wilson,
)


def test_wilson_known_values() -> None:
    assert wilson(81, 263) == pytest.approx((0.30798, 0.25527, 0.36620), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(15, 148) == pytest.approx((0.10135, 0.06239, 0.16049), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.0, 0.16113), abs=1e-4)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_share_and_mirrors(count: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, count))
    one, other = wilson(k, count), wilson(count - k, count)
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert (1 - one.high, 1 - one.low) == pytest.approx((other.low, other.high))


def test_clusters_count_as_what_they_tell() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(200) < 0.8
    single = clustered_share(hits, np.arange(200))
    assert single == pytest.approx(wilson(int(hits.sum()), 200), abs=2e-3)
    five = clustered_share(np.repeat(hits, 5), np.repeat(np.arange(200), 5))
    assert five == pytest.approx(single, abs=2e-3)
    assert clustered_share(np.ones(40), np.arange(40) // 4) == pytest.approx(wilson(10, 10))
    held = 0
    for _ in range(300):  # questions of different difficulty, each answered by six
        known = rng.beta(2, 1, 60)
        answered = rng.random((60, 6)) < known[:, None]
        found = clustered_share(answered.ravel(), np.repeat(np.arange(60), 6))
        held += found.low <= 2 / 3 <= found.high
    assert 0.9 <= held / 300 <= 0.98


def test_a_difference_over_the_same_clusters_knows_that_they_are_the_same() -> None:
    hits, where = np.arange(100) % 4 > 0, np.arange(100)
    apart = clustered_difference((hits, where), (hits, where + 100))
    assert apart == pytest.approx(share_difference((75, 100), (75, 100)), abs=5e-3)
    same = clustered_difference((hits, where), (hits, where))
    against = clustered_difference((hits, where), (~hits, where))
    assert same == pytest.approx((0, 0, 0), abs=0.02)
    assert against.high - against.low > 1.3 * (apart.high - apart.low)


def test_bootstrap_covers_and_passes_over_nan() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        interval = bootstrap_mean(rng.normal(2.0, 1.0, size=60))
        hits += interval.low <= 2.0 <= interval.high
    assert hits >= 88
    assert bootstrap_mean(np.array([1.0, np.nan, 3.0])).value == 2.0
    assert all(math.isnan(x) for x in bootstrap_mean(np.array([np.nan])))


def test_interquartile_mean_drops_outer_quarters() -> None:
    assert iqm([np.arange(8.0)]).value == pytest.approx(3.5)
    assert iqm([np.array([0.0, 1.0]), np.array([2.0, 1000.0])]).value == pytest.approx(1.5)
    assert iqm([np.array([1.0, 2.0, 6.0])]).value == pytest.approx((0.25 * 1 + 2 + 0.25 * 6) / 1.5)
    spread = iqm([np.array([0.2, 0.4, 0.9]), np.array([0.8, 0.6])])
    assert spread.low < spread.value < spread.high
    with pytest.raises(InvalidValueError, match="at least one score for every task"):
        iqm([np.array([])])


@given(st.lists(st.integers(-20, 20), min_size=3, max_size=30, unique=True))
def test_spearman_sees_order_alone(values: list[int]) -> None:
    x = np.array(values, dtype=float)
    assert spearman(x, np.exp(x / 10)) == pytest.approx(1.0)
    assert spearman(x, -(x**3)) == pytest.approx(-1.0)


def test_spearman_ties_constants_and_lengths() -> None:
    assert spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx(0.9486833)
    assert math.isnan(spearman(np.ones(4), np.arange(4.0)))
    with pytest.raises(ShapeError, match="scores to correlate"):
        spearman(np.ones(4), np.ones(3))


def test_binomial_tail() -> None:
    assert binomial_tail(0, 0) == 1.0
    assert binomial_tail(6, 6) == 1 / 64
    assert binomial_tail(3, 4) == 5 / 16
