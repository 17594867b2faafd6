"""Generalised advantage estimates of PPO."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.training.ppo import advantages

steps = st.integers(1, 6)
seeds = st.integers(0, 1000)
fractions = st.floats(0, 1)


def example(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards (T, 3), values (T+1, 3) and who is active (T, 3): the first copy always, others up to some step."""
    rng = np.random.default_rng(seed)
    lengths = np.array([steps, *rng.integers(1, steps + 1, 2)])
    return rng.normal(size=(steps, 3)), rng.normal(size=(steps + 1, 3)), np.arange(steps)[:, None] < lengths


@given(steps, seeds, fractions)
def test_with_lambda_1_it_is_return_minus_value(steps: int, seed: int, gamma: float) -> None:
    reward, value, active = example(steps, seed)
    found = advantages(reward, value, active, gamma, 1.0)
    for t in range(steps):
        discounted = sum(gamma ** (k - t) * reward[k] * active[k] for k in range(t, steps))
        np.testing.assert_allclose(found[t], np.where(active[t], discounted - value[t], 0), atol=1e-9)


@given(steps, seeds, fractions)
def test_with_lambda_0_it_is_one_step_ahead(steps: int, seed: int, gamma: float) -> None:
    reward, value, active = example(steps, seed)
    found = advantages(reward, value, active, gamma, 0.0)
    goes_on = np.vstack([active[1:], np.zeros((1, 3), bool)])
    expected = reward + gamma * value[1:] * goes_on - value[:-1]
    np.testing.assert_allclose(found, np.where(active, expected, 0), atol=1e-9)


@given(steps, seeds)
def test_with_a_bootstrap_the_last_observation_of_those_still_active_counts(steps: int, seed: int) -> None:
    reward, value, active = example(steps, seed)
    more = advantages(reward, value, active, 0.9, 1.0, bootstrap=True) - advantages(reward, value, active, 0.9, 1.0)
    expected = 0.9 ** np.arange(steps, 0, -1)[:, None] * value[-1] * active[-1]
    np.testing.assert_allclose(more, expected, atol=1e-9)


@given(steps, seeds, fractions)
def test_a_perfect_value_function_leaves_nothing(steps: int, seed: int, gae_lambda: float) -> None:
    reward, _, active = example(steps, seed)
    value = np.zeros((steps + 1, 3))
    for t in reversed(range(steps)):
        value[t] = (reward[t] + 0.9 * value[t + 1]) * active[t]
    np.testing.assert_allclose(advantages(reward, value, active, 0.9, gae_lambda), 0, atol=1e-9)


@given(steps, seeds)
def test_after_a_cut_the_last_observation_is_worth_its_value(steps: int, seed: int) -> None:
    reward, value, active = example(steps, seed)
    cut = np.array([False, True, False])
    more = advantages(reward, value, active, 0.9, 1.0, cut=cut) - advantages(reward, value, active, 0.9, 1.0)
    length = int(active[:, 1].sum())
    expected = np.zeros((steps, 3))
    expected[:length, 1] = 0.9 ** np.arange(length, 0, -1) * value[length, 1]
    np.testing.assert_allclose(more, expected, atol=1e-9)
