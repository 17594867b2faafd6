from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode, Source
from robo_rlhf.data.training_arrays.examples import chunk_examples
from tests.toy import demonstrations


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    return demonstrations(3)


def test_chunks_hold_the_actions_that_followed(episodes: list[Episode]) -> None:
    examples = chunk_examples(episodes, 8)
    assert [x.shape for x in examples] == [(120, 6), (120, 8, 2), (120, 8), (120,), (120, 1)]
    assert all(x.dtype == np.float32 for x in examples[:4])
    for e, episode in enumerate(episodes):
        for t in (0, 17, 35, 39):
            row, left = 40 * e + t, min(8, 40 - t)
            np.testing.assert_array_equal(examples.obs[row], episode.obs[t])
            assert examples.frame[row] == 41 * e + t
            np.testing.assert_array_equal(examples.action[row, :left], episode.action[t : t + left])
            np.testing.assert_array_equal(examples.mask[row], [1.0] * left + [0.0] * (8 - left))


def test_history_repeats_the_first_observation(episodes: list[Episode]) -> None:
    obs = chunk_examples(episodes, 1, 3).obs.reshape(3, 40, 3, 6)
    np.testing.assert_array_equal(obs[1, 0], np.repeat(episodes[1].obs[:1], 3, axis=0))
    np.testing.assert_array_equal(obs[1, 1], episodes[1].obs[[0, 0, 1]])
    np.testing.assert_array_equal(obs[1, 9], episodes[1].obs[7:10])


def test_pauses_are_cut_and_switches_held_are_no_motion(episodes: list[Episode]) -> None:
    action = np.full((12, 3), 0.5, np.float32)
    action[3:8, :2] = 0.0  # a pause of five steps
    action[:, 2] = -1.0  # a gripper, told to open ...
    action[6:, 2] = 1.0  # ... and to close in the middle of the pause
    action[10:, :2] = 0.0  # the end
    episode = replace(episodes[0].slice(0, 12), action=action)
    examples = chunk_examples([episode], 2, idle=0.05, idle_keep=1)
    kept = [int(np.flatnonzero((episode.obs[:-1] == obs).all(axis=1))[0]) for obs in examples.obs]
    assert kept == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert len(chunk_examples([episode], 2).obs) == 12


def test_corrections_weigh_more(episodes: list[Episode]) -> None:
    source = episodes[0].source.copy()
    source[10:20] = Source.CORRECTION
    weight = chunk_examples([replace(episodes[0], source=source)], 4, correction_weight=5.0).weight
    assert set(weight[10:20]) == {5.0}
    assert weight.sum() == 30 + 50


def test_nothing_to_learn_from_and_mixed_tasks_are_refused(episodes: list[Episode]) -> None:
    with pytest.raises(InvalidValueError, match="demonstrations: expected at least one step, got 0 episodes without"):
        chunk_examples([], 4)
    with pytest.raises(InvalidValueError, match="got 1 episodes without a step"):
        chunk_examples([episodes[0].slice(0, 0)], 4)
    other = replace(episodes[1], meta=replace(episodes[1].meta, task="other"))
    with pytest.raises(InvalidValueError, match=r"expected episodes of one task, got other: .*\(6,\).*; toy: "):
        chunk_examples([episodes[0], other], 4)
    assert len(chunk_examples([episodes[0].slice(0, 0), episodes[1]], 4).obs) == 40
