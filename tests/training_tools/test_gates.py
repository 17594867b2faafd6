"""Gates refuse what is shown to be worse, let chance pass, and notice reward over-optimisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.stats import paired_share
from robo_rlhf.training_tools.gates import Measurement, over_optimised, replacement

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def solved(count: int, of: int = 100) -> np.ndarray:
    return np.arange(of) < count


def test_a_policy_shown_to_be_worse_is_refused() -> None:
    decision = replacement(solved(90), solved(70))
    assert not decision.accepted
    assert decision.difference.value == pytest.approx(-0.2)
    assert decision.reason.startswith("refused: shown to be worse, -20.0% (")
    assert decision.reason.endswith("over 100 seeds")
    assert decision.to_json()["difference"]["high"] < 0


@pytest.mark.parametrize("count", [89, 87, 90, 100])
def test_what_chance_may_explain_or_is_better_is_accepted(count: int) -> None:
    assert replacement(solved(90), solved(count)).accepted


def test_pairs_tell_more_than_shares() -> None:
    """Ten seeds lost and none won is worse; the same shares with other seeds may be chance."""
    old, worse = solved(90), solved(80)
    mixed = np.roll(worse, 20)
    assert mixed.sum() == worse.sum()
    assert not replacement(old, worse).accepted
    assert replacement(old, mixed).accepted


def test_scores_are_compared_by_a_bootstrap() -> None:
    old = np.random.default_rng(0).normal(size=200)
    assert not replacement(old, old - 0.5).accepted
    assert replacement(old, old + np.random.default_rng(1).normal(size=200) * 0.5).accepted


def test_scores_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ShapeError, match="scores of the new policy"):
        replacement(solved(5), solved(5, of=50))
    with pytest.raises(InvalidValueError, match="expected at least one, all scores finite, got 0 episodes"):
        replacement(np.zeros(0, bool), np.zeros(0, bool))
    with pytest.raises(InvalidValueError, match="all scores finite"):
        replacement(np.ones(3), np.array([1.0, np.nan, 1.0]))


@given(PAIRS)
def test_the_interval_holds_the_difference_and_turns_with_it(pairs: list[tuple[bool, bool]]) -> None:
    old, new = (np.array(column) for column in zip(*pairs, strict=True))
    there, back = paired_share(old, new), paired_share(new, old)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.value == pytest.approx(new.mean() - old.mean())
    np.testing.assert_allclose((there.low, there.high), (-back.high, -back.low), atol=1e-12)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng, covered, turns = np.random.default_rng(0), 0, 1500
    for _ in range(turns):
        common = rng.random(60)
        old, new = common + 0.3 * rng.random(60) < 0.8, common + 0.3 * rng.random(60) < 0.7
        truth = 0.7 - 0.8  # of shares: P(u + 0.3 v < c) = c - 0.15 for c from 0.3 to 1
        interval = paired_share(old, new)
        covered += interval.low <= truth <= interval.high
    assert 0.93 <= covered / turns <= 0.985


def course(learned: list[float], good: list[int], looks: int = 64) -> list[Measurement]:
    return [Measurement(a, b, looks) for a, b in zip(learned, good, strict=True)]


RISING = list(np.linspace(0, 2, 12))


def test_reward_that_climbs_while_success_falls_raises_the_alarm() -> None:
    why = over_optimised(course(RISING, [30, 40, 50, 55, 58, 58, 57, 50, 40, 35, 30, 28]), window=3)
    assert why.startswith("the learned reward rose by ")
    assert "fell from 90% to 48% (entries 5 to 7 against the newest 3)" in why or "fell from 89%" in why


@pytest.mark.parametrize(
    ("learned", "good"),
    [
        (RISING, [30, 32, 35, 40, 42, 45, 47, 50, 52, 55, 57, 60]),  # both rise
        (RISING, [58, 57, 58, 56, 57, 58, 57, 56, 57, 55, 57, 56]),  # success only shakes
        (RISING[::-1], [58, 57, 55, 50, 45, 40, 35, 30, 28, 25, 22, 20]),  # both fall: not the reward's fault
        (RISING[:5], [58, 50, 40, 30, 20]),  # too early to say
    ],
)
def test_no_alarm_without_both_signs(learned: list[float], good: list[int]) -> None:
    assert over_optimised(course(learned, good), window=3) == ""


def test_nothing_looked_at_raises_no_alarm() -> None:
    assert over_optimised(course(RISING, [0] * 12, looks=0), window=3) == ""
    with pytest.raises(InvalidValueError, match="at least 1"):
        over_optimised([], window=0)
