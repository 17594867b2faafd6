import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Segment
from robo_rlhf.reward_fitting.clips import cut_clips
from tests.toy import demonstrations

EPISODE = demonstrations(1)[0]


def test_clips_hold_the_steps_they_name_and_short_ones_are_masked() -> None:
    clips = cut_clips([(EPISODE, Segment("e", 3, 10)), (EPISODE, Segment("e", len(EPISODE) - 4, 4))])
    assert clips.obs.shape == (2, 10, 6)
    np.testing.assert_array_equal(clips.obs[0], EPISODE.obs[3:13])
    np.testing.assert_array_equal(clips.action[0], EPISODE.action[3:13])
    np.testing.assert_array_equal(clips.next_obs[0], EPISODE.obs[4:14])
    np.testing.assert_array_equal(clips.next_obs[1, :4], EPISODE.obs[-4:])
    np.testing.assert_array_equal(clips.next_obs[1, 4:], np.tile(EPISODE.obs[-1], (6, 1)))
    np.testing.assert_array_equal(clips.mask, [[1] * 10, [1] * 4 + [0] * 6])


def test_joined_clips_are_padded_to_the_longer() -> None:
    long, short = (cut_clips([(EPISODE, Segment("e", 0, length))]) for length in (8, 5))
    for first, second in ((long, short), (short, long)):
        both = first.joined(second)
        assert len(both) == 2
        torch.testing.assert_close(both.mask.sum(1), torch.stack([first.mask.sum(), second.mask.sum()]))
        torch.testing.assert_close(both.obs[1, :5], second.obs[0, :5])


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 0), (38, 5)])
def test_segments_outside_the_episode_are_refused(start: int, length: int) -> None:
    with pytest.raises(InvalidValueError) as error:
        cut_clips([(EPISODE, Segment("e", start, length))])
    assert str(error.value) == (
        f"clip of episode e: expected steps within 0 to 40, at least one, got {start} to {start + length}."
    )


def test_nan_is_named_with_its_episode() -> None:
    obs = EPISODE.obs.copy()
    obs[7] = np.nan
    broken = type(EPISODE)(**{**vars(EPISODE), "obs": obs})
    with pytest.raises(NonFiniteError, match=r"steps 5 to 10 of episode e\)"):
        cut_clips([(broken, Segment("e", 5, 5))])
    cut_clips([(broken, Segment("e", 8, 5))])
