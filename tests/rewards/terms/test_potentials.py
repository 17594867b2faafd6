"""Potential-based shaping keeps the optimal policy: small Markov decision processes, solved exactly."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.terms.base import Potential, Steps
from robo_rlhf.rewards.terms.distance import Distance

GAMMA = 0.9


class World(NamedTuple):
    """A finite Markov decision process with S states and A actions."""

    chance: Array  # (S, A, S)
    reward: Array  # (S, A, S)
    phi: Array  # (S,)


class Table(Potential):
    """The potential of a state is looked up."""

    name = "table"

    def __init__(self, phi: Array) -> None:
        self.phi = phi

    def potential(self, steps: Steps) -> Array:
        found: Array = self.phi[steps.obs[..., 0].astype(int)]
        return found


def world(seed: int, states: int = 5, actions: int = 3) -> World:
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.full(states, 0.5), (states, actions))
    return World(chance, rng.normal(size=chance.shape), 10 * rng.normal(size=states))


def shaping(phi: Array, *, ends: bool) -> Array:
    """Return what the term gives for every transition from one state to another, (S, S)."""
    count = len(phi)
    pairs = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))  # (2, S, S): now, next
    obs = pairs.reshape(2, -1, 1).astype(np.float32)
    some = np.ones((1, count * count), bool)
    given = Steps(obs, np.zeros((1, count * count, 1), np.float32), some, 0.1, GAMMA, ends)
    return np.asarray(Table(phi)(given)).reshape(count, count)


def values(chance: Array, reward: Array, sweeps: int = 2000) -> Array:
    """Return the values (S, A) of the best policy for ever, by value iteration."""
    q = np.zeros(chance.shape[:2])
    for _ in range(sweeps):
        q = (chance * (reward + GAMMA * q.max(1))).sum(-1)
    return q


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_best_policy_for_ever_stays_the_same(seed: int) -> None:
    chance, reward, phi = world(seed)
    plain = values(chance, reward, 400)
    shaped = values(chance, reward + shaping(phi, ends=False)[:, None, :], 400)
    np.testing.assert_allclose(shaped, plain - phi[:, None], atol=1e-6)
    np.testing.assert_array_equal(shaped.argmax(1), plain.argmax(1))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_best_policy_over_a_horizon_stays_the_same(seed: int, horizon: int) -> None:
    """In the last step the potential that is left is lost, whatever it was."""
    chance, reward, phi = world(seed)
    plain = shaped = np.zeros(chance.shape[:2])
    for step in range(horizon):
        gained = shaping(phi, ends=step == 0)[:, None, :]  # backwards: the first sweep is the last step
        plain = (chance * (reward + GAMMA * plain.max(1) * (step > 0))).sum(-1)
        shaped = (chance * (reward + gained + GAMMA * shaped.max(1) * (step > 0))).sum(-1)
        np.testing.assert_allclose(shaped, plain - phi[:, None], atol=1e-6)
        np.testing.assert_array_equal(shaped.argmax(1), plain.argmax(1))


def test_a_bonus_that_is_no_potential_does_change_the_best_policy() -> None:
    """So that the tests above say something."""
    chance, reward, phi = world(0)
    bonus = np.broadcast_to(phi, chance.shape)  # for being where the potential is high
    assert (values(chance, reward + bonus, 400).argmax(1) != values(chance, reward, 400).argmax(1)).any()


def walk(active: Array, *, ends: bool = True, names: tuple[str, ...] = ()) -> tuple[Steps, Array]:
    obs = np.random.default_rng(0).normal(size=(len(active) + 1, 1, 4)).astype(np.float32)
    steps = Steps(obs, np.zeros((len(active), 1, 1), np.float32), active[:, None], 0.1, GAMMA, ends, names)
    return steps, -np.linalg.norm(obs[..., :2] - obs[..., 2:], axis=-1)


@pytest.mark.parametrize("ends", [True, False])
def test_an_episode_that_ends_early_loses_its_potential_there(ends: bool) -> None:
    active = np.array([True, True, True, False, False])
    steps, phi = walk(active, ends=ends)
    gained = np.asarray(Distance([0, 1], [2, 3])(steps))[:, 0]
    assert not gained[3:].any()
    assert (GAMMA ** np.arange(3) * gained[:3]).sum() == pytest.approx(-phi[0, 0])


def test_columns_by_name_and_distances_to_nothing() -> None:
    steps, phi = walk(np.ones(5, bool), names=("x", "y", "goal_x", "goal_y"))
    np.testing.assert_allclose(Distance(["x", "y"], ["goal_x", "goal_y"]).potential(steps), phi)
    np.testing.assert_allclose(Distance("x", scale=0.5).potential(steps), -2 * np.abs(steps.obs[..., 0]))


def test_columns_that_are_not_there() -> None:
    steps, _ = walk(np.ones(5, bool), names=("x", "y", "goal_x", "goal_y"))
    for wrong in ("z", 4, -1, True):
        with pytest.raises(
            InvalidValueError, match="columns of a distance: expected columns from 0 to 3, or names among"
        ):
            Distance([wrong]).potential(steps)
    with pytest.raises(InvalidValueError, match="columns to a distance: expected as many as it is of, 2, got 1"):
        Distance([0, 1], [2]).potential(steps)
    with pytest.raises(InvalidValueError, match=r"columns of a distance: expected columns .*got none"):
        Distance([]).potential(steps)
    with pytest.raises(InvalidValueError, match="scale of a distance: expected more than 0, got 0"):
        Distance([0], scale=0)
