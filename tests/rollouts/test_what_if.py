"""What a policy might do from one frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.rollouts.what_if import Frame, held_steps, steps_of, what_if
from tests.toy import ToyEnv, demonstrations

COUNT = 3


def policy(std: float = 0.3) -> GaussianPolicy:
    torch.manual_seed(0)
    return GaussianPolicy(ToyEnv.obs_dim, ToyEnv.act_dim, width=16, initial_std=std)


@pytest.fixture(scope="module")
def shown() -> Episode:
    return demonstrations(1)[0]


def rolled(env: ToyEnv, frames: list[Frame], seed: int = 0, std: float = 0.3) -> list[list[Episode]]:
    return what_if(env, policy(std), frames, np.random.default_rng(seed), COUNT)


def test_candidates_differ_from_the_state_of_the_frame_on(shown: Episode) -> None:
    env = ToyEnv(7)  # two frames at a time, and a copy that is not used
    frames = [Frame(shown, k) for k in (0, 4, 2)]
    found = rolled(env, frames)
    assert [[e.meta.id for e in some] for some in found] == [[f"{i}-{k}" for k in range(COUNT)] for i in range(3)]
    for frame, some in zip(frames, found, strict=True):
        assert {len(e) for e in some} == {steps_of(env)}
        for episode in some:
            np.testing.assert_array_equal(episode.state[0], shown.state[frame.number])
        own, *others = [e.action[0] for e in some]
        assert min(np.abs(own - other).max() for other in others) > 0.1
        assert np.abs(others[0] - others[1]).max() > 0.1
    np.testing.assert_array_equal(rolled(env, frames)[1][2].action, found[1][2].action)


def test_a_deviation_is_held_and_then_the_policy_acts(shown: Episode) -> None:
    env, actor = ToyEnv(COUNT), policy()
    own, other, _ = rolled(env, [Frame(shown, 0)])[0]
    hold = held_steps(env.control_dt)
    with torch.no_grad():
        mean = actor.distribution(actor.features(other.obs[:-1])).mean.clamp(-1, 1).numpy()
    np.testing.assert_allclose(other.action[hold:], mean[hold:], atol=1e-6)
    assert np.abs(other.action[:hold] - mean[:hold]).max(1).min() > 0.1
    with torch.no_grad():
        mine = actor.distribution(actor.features(own.obs[:-1])).mean.clamp(-1, 1).numpy()
    np.testing.assert_allclose(own.action, mine, atol=1e-6)


def test_a_frame_at_the_end_is_refused(shown: Episode) -> None:
    last = len(shown) - steps_of(ToyEnv(COUNT))
    with pytest.raises(InvalidValueError, match=rf"act from: expected .* 0 to {last}, got {last + 1}"):
        rolled(ToyEnv(COUNT), [Frame(shown, last + 1)])


def test_a_state_that_cannot_be_entered_is_refused(shown: Episode) -> None:
    for state, numbers in ((shown.state[:, :0], 0), (shown.state[:, :4], 4)):
        with pytest.raises(InvalidValueError, match=rf"entered, of 6 numbers in toy, got .* of {numbers} numbers"):
            rolled(ToyEnv(COUNT), [Frame(replace(shown, state=state), 0)])


def test_a_policy_that_gives_the_same_action_always_is_refused(shown: Episode) -> None:
    with pytest.raises(InvalidValueError, match=r"one that explores, got the same 17 times at frame 3 of"):
        rolled(ToyEnv(COUNT), [Frame(shown, 3)], std=1e-6)


def test_too_few_copies_are_refused(shown: Episode) -> None:
    with pytest.raises(InvalidValueError, match="at least the 3 candidates, got 2"):
        rolled(ToyEnv(2), [Frame(shown, 0)])
