import functools
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import (
    CheckpointMismatchError,
    InvalidValueError,
    NonFiniteError,
    NotFoundError,
    ShapeError,
)
from robo_rlhf.core.runs import write_checkpoint
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.rewards.success import (
    ENDING,
    SuccessExamples,
    WithSuccess,
    demonstration_examples,
    ending_examples,
    fit_success,
    held_out_accuracy,
    last_steps,
    load_success,
    save_success,
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


def ended(episode: Episode) -> Episode:
    """A demonstration that stops soon after its success, at a goal that is elsewhere each time."""
    return episode.slice(0, min(int(np.argmax(episode.success)) + ENDING, len(episode)))


def test_it_learns_where_people_say_that_it_succeeded() -> None:
    found = joined(endings(40))
    head = fit_success(found)
    chance, deviation = head.chance(np.array([[-0.5, 0.0], [0.8, 0.0]], np.float32))
    assert chance[0] < 0.2
    assert chance[1] > 0.8
    assert (deviation >= 0).all()
    accuracy = held_out_accuracy(head, found)
    assert accuracy is not None
    assert accuracy > 0.85


def test_a_few_answers_do_where_demonstrations_show_how_it_ends() -> None:
    shown = [ended(episode) for episode in demonstrations(12, noise=0.0, pause=0.0)]
    parts = [*demonstration_examples(shown), ending_examples(shown[0].obs[:3], 0.0, 1.0, 0)]
    others = [ended(episode) for episode in demonstrations(8, first_seed=100, noise=0.0, pause=0.0)]
    head = fit_success(joined(parts))
    assert head.chance(np.stack([episode.obs[-1] for episode in others]))[0].min() > 0.8
    assert head.chance(np.stack([episode.obs[0] for episode in others]))[0].max() < 0.3


def test_the_same_examples_give_the_same_head() -> None:
    found, probe = joined(endings(20)), np.zeros((3, 2), np.float32)
    np.testing.assert_array_equal(fit_success(found).chance(probe)[0], fit_success(found).chance(probe)[0])


def test_answers_that_are_all_alike_tell_nothing_apart() -> None:
    for done, said in ((1.0, "only episodes that succeeded"), (0.0, "only episodes that failed")):
        found = joined([part._replace(done=np.full(ENDING, done, np.float32)) for part in endings(10)])
        with pytest.raises(InvalidValueError, match=f"some of both, or demonstrations, got {said}"):
            fit_success(found)


def test_demonstrations_end_well_and_are_not_done_before() -> None:
    episode = demonstrations(1)[0].slice(0, 10)
    end, before = demonstration_examples([episode])
    np.testing.assert_array_equal(end.obs, episode.obs[-ENDING:])
    np.testing.assert_array_equal(before.obs, episode.obs[:7])
    assert (end.done == 1).all()
    assert (before.done == 0).all()
    assert end.weight.sum() == pytest.approx(before.weight.sum())
    assert held_out_accuracy(fit_success(end.joined(before)), end) is None


def test_it_is_added_to_the_reward_where_the_head_is_sure() -> None:
    head = fit_success(joined(endings(60)))
    obs = np.array([[[-0.5, 0.0], [0.8, 0.0]]], np.float32)  # (T, N, d)

    def reward(obs: Array, action: Array, next_obs: Array) -> Array:
        return np.full(obs.shape[:2], 2.0, np.float32)

    mean, deviation = head.chance(obs)
    found = WithSuccess(reward, head, 3.0)(obs, obs, obs)
    bonus = 3.0 * np.maximum(mean - deviation, 0)
    bonus[: -max(1, round(0.2 * len(obs)))] = 0  # success counts at the end
    np.testing.assert_allclose(found, 2.0 + bonus, rtol=1e-6)


def test_success_counts_in_the_last_fifth_of_each_episode() -> None:
    obs = np.arange(20, dtype=np.float32)[:, None, None].repeat(2, 1)
    after = obs + 1
    obs[11:, 1], after[10:, 1] = 11, 11  # the second episode ended after 11 steps, and stands still
    found = last_steps(obs, after)
    assert np.flatnonzero(found[:, 0]).tolist() == [16, 17, 18, 19]
    assert np.flatnonzero(found[:, 1]).tolist() == [9, 10]


def test_what_it_cannot_judge() -> None:
    head = fit_success(joined(endings(10)))
    with pytest.raises(ShapeError, match="obs for a success head"):
        head.chance(np.zeros((2, 3), np.float32))
    with pytest.raises(NonFiniteError, match="prediction of a success head"):
        head.chance(np.full((2, 2), np.nan, np.float32))
    bad = joined(endings(10))._replace(obs=np.full((50, 2), np.nan, np.float32))
    with pytest.raises(NonFiniteError, match="data for a success head"):
        fit_success(bad)


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    head, path = fit_success(joined(endings(10))), tmp_path / "success.safetensors"
    save_success(head, path, "toy")
    probe = np.array([[0.2, 0.0]], np.float32)
    np.testing.assert_array_equal(load_success(path).chance(probe)[0], head.chance(probe)[0])
    with pytest.raises(NotFoundError):
        load_success(tmp_path / "none.safetensors")
    write_checkpoint(path, {}, {"task": "toy"})
    with pytest.raises(CheckpointMismatchError, match="a success head"):
        load_success(path)
