import functools

import numpy as np
import pytest

from robo_rlhf.core.errors import NonFiniteError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.success import (
    ENDING,
    SuccessExamples,
    WithSuccess,
    chance_of_success,
    demonstration_examples,
    ending_examples,
    fit_success,
    held_out_accuracy,
)
from tests.toy import demonstrations


def endings(count: int, seed: int = 0) -> list[SuccessExamples]:
    """Clips that end at a place x in [-1, 1]: done where x > 0.3."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1, 1, count)
    clips = [np.stack([np.full(20, x), rng.normal(size=20)], axis=1).astype(np.float32) for x in places]
    return [
        ending_examples(clip, float(x > 0.3), 1.0, i) for i, (clip, x) in enumerate(zip(clips, places, strict=True))
    ]


def joined(parts: list[SuccessExamples]) -> SuccessExamples:
    return functools.reduce(SuccessExamples.joined, parts)


def test_it_learns_where_people_say_that_it_succeeded() -> None:
    found = joined(endings(60))
    head = fit_success(found, act_dim=2, seed=0)
    chance, deviation = chance_of_success(head, np.array([[-0.5, 0.0], [0.8, 0.0]], np.float32))
    assert chance[0] < 0.2
    assert chance[1] > 0.8
    assert (deviation >= 0).all()
    accuracy = held_out_accuracy(head, found)
    assert accuracy is not None
    assert accuracy > 0.85


def test_the_same_seed_gives_the_same_head() -> None:
    found, probe = joined(endings(20)), np.zeros((3, 2), np.float32)
    first, second, other = (chance_of_success(fit_success(found, 1, seed), probe)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_answers_that_are_all_alike_teach_nothing() -> None:
    found = joined([part._replace(done=np.ones(ENDING, np.float32)) for part in endings(10)])
    assert not found.both
    chance, _ = chance_of_success(fit_success(found, 1, 0), found.obs)
    assert np.abs(chance - 0.5).max() < 0.4


def test_demonstrations_end_well_and_do_not_begin_so() -> None:
    episode = demonstrations(1)[0].slice(0, 10)
    end, begin = demonstration_examples([episode])
    np.testing.assert_array_equal(end.obs, episode.obs[-ENDING:])
    np.testing.assert_array_equal(begin.obs, episode.obs[:2])
    assert (end.done == 1).all()
    assert (begin.done == 0).all()
    assert end.weight.sum() == pytest.approx(begin.weight.sum())
    assert held_out_accuracy(fit_success(end.joined(begin), 1, 0), end) is None


def test_it_is_added_to_the_reward_where_the_head_is_sure() -> None:
    head = fit_success(joined(endings(60)), 2, 0)
    obs = np.array([[[-0.5, 0.0], [0.8, 0.0]]], np.float32)  # (T, N, d)

    def reward(obs: Array, action: Array, next_obs: Array) -> Array:
        return np.full(obs.shape[:2], 2.0, np.float32)

    mean, deviation = chance_of_success(head, obs)
    found = WithSuccess(reward, head, 3.0, 0.5)(obs, obs, obs)
    np.testing.assert_allclose(found, 2.0 + 3.0 * np.maximum(mean - 0.5 * deviation, 0), rtol=1e-6)


def test_what_it_cannot_judge() -> None:
    head = fit_success(joined(endings(10)), 1, 0)
    with pytest.raises(ShapeError, match="obs for a success head"):
        chance_of_success(head, np.zeros((2, 3), np.float32))
    with pytest.raises(NonFiniteError, match="prediction of a success head"):
        chance_of_success(head, np.full((2, 2), np.nan, np.float32))
