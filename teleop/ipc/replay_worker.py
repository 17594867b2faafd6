"""Draws an outside environment's episode, in a worker process of the station.

Such an episode holds no states, so its actions are replayed from its seed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array
from robo_rlhf.data.schema import load_file
from robo_rlhf.sim.external.replay import replay_frames
from robo_rlhf.sim.rendering.video import encode_mp4

STRAYS = 1e-3  # difference of observations, in shares of their largest, above which pictures would show something else


def start() -> Callable[[dict[str, Any]], bytes]:
    """Return what answers the arguments of `draw`."""
    return lambda request: draw(**request)


def draw(path: Path, start: int, stop: int, every: int, fps: float, width: int, height: int) -> bytes:
    """Return frames `start`, `start` + `every`, ... before `stop` as MP4, each `width` x `height`.

    Raises:
        InvalidValueError: the environment goes another way than it went, or cannot draw itself.
    """
    episode = load_file(path)
    replay = replay_frames(episode, start, stop, every)
    largest = max(1.0, float(np.abs(episode.obs).max(initial=0.0)))
    if not replay.deviation <= STRAYS * largest:
        given = f"observations that are off by up to {replay.deviation:.2g}"
        raise InvalidValueError(f"replaying an episode of {episode.meta.task}", given, "those that were recorded")
    return encode_mp4([fit(frame, width, height) for frame in replay.frames], fps)


def fit(frame: Array, width: int, height: int) -> Array:
    """Return a frame (H, W, 3) as large as it fits into `width` x `height`, with black bars beside it."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    small = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA)
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    picture[top : top + size[1], left : left + size[0]] = small
    return picture
