from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.core.errors import EnvironmentFaultError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Step
from robo_rlhf.pipeline.steps.observers import TrueRewardLog, truth_rows
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.training_tools.experience import advantages, collect
from robo_rlhf.training_tools.exploration import explored_block
from tests.toy import ToyEnv

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


def test_what_a_fault_cut_is_learned_from_until_then_and_values_its_end() -> None:
    env = ToyEnv(3, faults={1: 5, 2: 0})
    actor = GaussianPolicy(6, 2, width=8)
    episodes = collect(env, actor, actor.draw, np.random.default_rng(0), "iteration 1")
    assert episodes.active.sum(axis=0).tolist() == [40, 5, 0]
    assert episodes.cut is not None
    assert episodes.cut.tolist() == [False, True, True]
    block = explored_block(episodes, {})
    assert block.active.sum(axis=0).tolist() == [40, 5, 0]
    assert block.goes_on.tolist() == [False, True, True]


def test_where_faults_end_every_episode_training_says_so() -> None:
    env = ToyEnv(2, faults={0: 4, 1: 2})
    actor = GaussianPolicy(6, 2, width=8)
    wanted = r"Faults ended all 2 episodes by step 5 of iteration 1; the first was: toy went wrong\. Mend"
    with pytest.raises(EnvironmentFaultError, match=wanted):
        collect(env, actor, actor.draw, np.random.default_rng(0), "iteration 1")


def test_a_cut_episode_is_no_true_success(tmp_path: Path) -> None:
    true = TrueRewardLog(Run(tmp_path / "run", {}), 2)
    step = Step(np.zeros((2, 1)), np.ones(2), np.ones(2, bool), np.zeros((2, 1)), {}, np.ones(2, bool))
    true.observe(1, 0, step)
    true.observe(1, 1, step._replace(active=np.array([True, False]), faults={1: "toy went wrong"}))
    true.log(1, None, {})
    (row,) = truth_rows(true.run)
    assert (row["success"], row["return"]) == (0.5, 1.5)
