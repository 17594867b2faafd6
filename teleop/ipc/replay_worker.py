"""Draws an episode without states, in a worker process of the station.

Its actions are replayed from its seed, or its recorded video is read.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from robo_rlhf.episodes.access import open_access
from robo_rlhf.sim.rendering.video import encode_mp4


def start() -> Callable[[dict[str, Any]], bytes]:
    """Return what answers the arguments of `draw`."""
    return lambda request: draw(**request)


def draw(path: Path, start: int, stop: int, every: int, fps: float, camera: str, width: int, height: int) -> bytes:
    """Return frames `start`, `start` + `every`, ... before `stop` as MP4; raises as `EpisodeAccess.frames`."""
    access = open_access(path)
    return encode_mp4(access.frames(range(start, stop, every), camera, width, height), fps)
