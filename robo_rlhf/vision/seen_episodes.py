"""Episodes as a reward with cameras gets them: a few pictures a second, and with each frame the number of its picture.

The number is one more column of an episode's observations, the last, so that clips, batches and priors of reward
learning are cut from it as from any other; a reward model looks its pictures up by it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from robo_rlhf.core.types import Array, Episode
from robo_rlhf.vision.encoder import CameraEncoder
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FRAMES, FrameCache, TrainingPictures
from robo_rlhf.vision.sight import Sight

MOST = 2**24  # numbers that float32 tells apart


class NumberedPictures(Protocol):
    """Pictures that are asked for by their numbers."""

    def __len__(self) -> int:
        """Return how many there are; there may be more later."""
        ...

    def take(self, frame: Array) -> dict[str, Array]:
        """Return the pictures (..., H, W, 3) uint8 of each camera of numbers (...)."""
        ...


def frames_between(rate: float, control_dt: float) -> int:
    """Return how many frames there are from one picture to the next, for `rate` pictures a second."""
    return max(1, round(1 / (rate * control_dt)))


class SeenEpisodes:
    """The pictures of all episodes that it was shown so far, drawn when an episode is first shown."""

    def __init__(self, sight: Sight, rate: float, home: Path, encoder: CameraEncoder | None = None) -> None:
        """See what `sight` says, `rate` times a second; pictures are kept in the data home `home`.

        `encoder` is that of a policy, where rewards are to take it over and keep it as it is.
        """
        self.sight, self.rate, self.encoder, self._cache = sight, rate, encoder, FrameCache(home / FRAMES)
        self._pictures = TrainingPictures([], [])
        self._known: dict[int, tuple[Episode, Episode]] = {}  # by identity, which is kept alive

    def show(self, episode: Episode, folder: Path | None = None) -> Episode:
        """Return the episode with the number of each frame's picture, the newest at that frame, as a last column.

        `folder` is that of its dataset, where recorded videos are; raises as `see_episodes`.
        """
        known = self._known.get(id(episode))
        if known is None:
            every = frames_between(self.rate, episode.meta.control_dt)
            first = len(self._pictures)
            found = see_episodes([episode], self.sight, self._cache, folder=folder, every=every)
            self._pictures = self._pictures.and_then(found) if first else found
            known = episode, with_numbers(episode, first + np.arange(len(episode.obs)) // every)
            self._known[id(episode)] = known
        return known[1]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pictures)

    def take(self, frame: Array) -> dict[str, Array]:
        """Return the pictures (..., H, W, 3) uint8 of each camera of numbers (...)."""
        return self._pictures.take(frame)


def with_numbers(episode: Episode, numbers: Array) -> Episode:
    """Return the episode with `numbers` (T+1,) as a last column of its observations."""
    assert numbers.max(initial=0) < MOST
    return replace(episode, obs=np.concatenate([episode.obs, numbers[:, None].astype(np.float32)], axis=1))
