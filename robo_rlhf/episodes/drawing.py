"""Frames of an episode as images: from its states, from a replay of its actions, out of a recorded video."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, MissingDependencyError, UnknownNameError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.episodes.recorded_frames import frames_at, step_times
from robo_rlhf.sim.external.ids import find
from robo_rlhf.sim.external.proof import provenance_of
from robo_rlhf.sim.external.replay import render_once, replay_frames
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.video import decode_mp4

STRAYS = 1e-3  # difference of observations, in shares of their largest, above which pictures would show something else


def draw_states(episode: Episode, scene: str, chosen: Sequence[int], camera: str, width: int, height: int) -> Array:
    """Return frames `chosen` of an episode (K, height, width, 3) uint8, from its states and the model of `scene`."""
    with FrameRenderer(load_model(scene), width, height) as renderer:
        return renderer.frames(episode.state[list(chosen)], camera)


def draw_replayed(episode: Episode, chosen: Sequence[int], width: int, height: int, camera: str = "") -> Array:
    """Return frames `chosen` of an episode (K, height, width, 3) uint8, rendered during a replay of its actions.

    With a `camera` they are its pictures in the observations, see `observed_cameras`.

    Raises:
        InvalidValueError: the environment takes another course than recorded, or cannot render images.
    """
    replay = replay_frames(episode, chosen, camera)
    largest = max(1.0, float(np.abs(episode.obs).max(initial=0.0)))
    if not replay.deviation <= STRAYS * largest:
        given = f"observations that are off by up to {replay.deviation:.2g}"
        raise InvalidValueError(f"replaying an episode of {episode.meta.task}", given, "those that were recorded")
    return np.stack([fit(frame, width, height) for frame in replay.frames])


def draw_recorded(
    episode: Episode, videos: Mapping[str, Path], chosen: Sequence[int], camera: str, width: int, height: int
) -> Array:
    """Return frames `chosen` of an episode (K, height, width, 3) uint8 out of the video of `camera`.

    "front" is the first camera where none is called so.

    Raises:
        UnknownNameError: there is no such camera.
    """
    if camera == "front" and camera not in videos:
        camera = next(iter(videos))
    if camera not in videos:
        raise UnknownNameError("camera", camera, videos)
    recorded = episode.meta.frames.get(camera)
    if recorded is None:  # a video with a frame for each of the episode
        frames, _ = decode_mp4(videos[camera])
        return np.stack([fit(frames[min(k, len(frames) - 1)], width, height) for k in chosen])
    times = step_times(recorded, len(episode) + 1, episode.meta.control_dt)[list(chosen)]
    return np.stack([fit(frame, width, height) for frame in frames_at(videos[camera], times)])


def why_not_rendered(task: str) -> str:
    """Return in a sentence why episodes of an outside environment cannot be shown; empty where they can.

    Raises:
        RoboRlhfError: there is no such environment, or it cannot be made at all.
    """
    recipe = find(task)
    if provenance_of(recipe)["show"] == "state":
        return ""
    try:
        render_once(recipe)
    except (InvalidValueError, MissingDependencyError, EnvironmentFaultError) as error:
        recipe.make().close()
        return str(error)
    return ""


def fit(frame: Array, width: int, height: int) -> Array:
    """Return a frame (H, W, 3) as large as it fits into `width` x `height`, with black bars beside it."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    small = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA)
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    picture[top : top + size[1], left : left + size[0]] = small
    return picture
