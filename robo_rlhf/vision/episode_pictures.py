"""Pictures of recorded episodes as a policy or reward sees them: drawn from states, from a replay, or as recorded."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from robo_rlhf.core.errors import FileWarning, InvalidValueError, UnknownNameError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.episodes.access import EpisodeAccess, access_of
from robo_rlhf.sim.rendering.looks import Look, LookBounds
from robo_rlhf.vision.drawing import Drawer, draw_all
from robo_rlhf.vision.frame_cache import FrameCache, TrainingPictures, frame_key, model_digest
from robo_rlhf.vision.sight import Sight

Progress = Callable[[int, int], None]  # episodes done, of how many
STILL = 2.0  # [of 255] deviation over frames below which nothing in a picture varies


def see_episodes(
    episodes: Sequence[Episode],
    sight: Sight,
    cache: FrameCache,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    every: int = 1,
) -> TrainingPictures:
    """Return the pictures of all frames of `episodes`, drawn where `cache` does not hold them.

    Args:
        episodes: of one task.
        sight: cameras and size.
        cache: keeps them.
        folder: of the dataset with the recorded videos, for episodes without states.
        progress: called after each episode.
        every: frames from one picture to the next; others than the first of each so many are left out.

    Raises:
        UnknownNameError: no such camera.
        NotNowError, InvalidValueError: an episode cannot be shown.
        DiskFullError: there is no room for the pictures; nothing was drawn.
    """
    access = [access_of(episode, folder) for episode in episodes]
    if sight.looks and not all(_drawn(one, name) for one in access for name in sight.cameras):
        given = "episodes that are shown as they were recorded"
        raise InvalidValueError("--looks", given, "episodes with states, which can be drawn in other looks")
    keys = [_keys(one, episode, sight, every) for one, episode in zip(access, episodes, strict=True)]
    missing = [[name for name in sight.cameras if not cache.holds(key[name])] for key in keys]
    frame, lengths = 3 * sight.size**2, [-(-len(episode.obs) // every) for episode in episodes]
    cache.reserve(sum(len(names) * length * frame for names, length in zip(missing, lengths, strict=True)))
    drawers: dict[tuple[str, tuple[str, ...]], Drawer] = {}
    try:
        for done, (one, episode, key, names) in enumerate(zip(access, episodes, keys, missing, strict=True), 1):
            if names:
                seen = replace(sight, cameras=tuple(names))
                for name, pictures in _draw(one, episode, seen, drawers, every).items():
                    cache.put(key[name], pictures)
            cache.use(key.values())
            if progress is not None:
                progress(done, len(episodes))
    finally:
        for drawer in drawers.values():
            drawer.close()
    cache.trim()
    found = TrainingPictures([{name: partial(cache.get, key[name]) for name in sight.cameras} for key in keys], lengths)
    if every == 1:  # else there may be too few to tell
        _warn_of_still(found)
    return found


def _keys(access: EpisodeAccess, episode: Episode, sight: Sight, every: int) -> dict[str, str]:
    """Return the key of each camera's pictures of an episode."""
    usual: dict[str, Any] = {"size": sight.size, **({"every": every} if every > 1 else {})}

    def key(camera: str) -> str:
        about = {**usual, "camera": camera}
        if _drawn(access, camera):
            about |= {"show": "state", "model": model_digest(access.scene)}
            about |= {"looks": [sight.looks, repr(LookBounds())]} if sight.looks else {}
            return frame_key(episode.state, about)
        about |= {"show": "frames" if access.show == "frames" else "replay", "id": episode.meta.id}
        about |= {"task": episode.meta.task, "seed": episode.meta.seed}
        about |= {"videos": {name: [str(p), *_written(p)] for name, p in access.videos.items()}}
        return frame_key(episode.action, about)

    return {name: key(name) for name in sight.cameras}


def _drawn(access: EpisodeAccess, camera: str) -> bool:
    """Whether what a camera shows of an episode is drawn from states, in any look."""
    return access.show == "state" and camera not in access.observed


def looks_of(states: Array, count: int) -> tuple[Look, ...]:
    """Return the look of each of `states` (T, nstate), one of `count`, the same for the same states; none for 0."""
    if not count:
        return ()
    digest = hashlib.sha256(np.ascontiguousarray(states).tobytes()).digest()
    chosen = np.random.default_rng(int.from_bytes(digest[:8], "little")).integers(count, size=len(states))
    return tuple(Look(int(seed)) for seed in chosen)


def _written(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _draw(
    access: EpisodeAccess,
    episode: Episode,
    sight: Sight,
    drawers: dict[tuple[str, tuple[str, ...]], Drawer],
    every: int,
) -> dict[str, Array]:
    """Return the pictures (frames, size, size, 3) of an episode by each camera, of each frame of so many."""
    found = {}
    drawn = tuple(name for name in sight.cameras if _drawn(access, name))
    if drawn:
        drawer = drawers.setdefault((access.scene, drawn), Drawer(access.scene, replace(sight, cameras=drawn)))
        states = episode.state[::every]
        found = draw_all(drawer, states, looks_of(states, sight.looks))
    known = tuple(access.videos) if access.show == "frames" else ("front", *access.observed)
    chosen = range(0, len(episode.obs), every)
    for name in (name for name in sight.cameras if name not in drawn):
        if access.show is not None and name not in known:
            raise UnknownNameError(f"camera of episode {episode.meta.id}", name, known)
        found[name] = access.frames(chosen, name, sight.size, sight.size)
    return found


def _warn_of_still(pictures: TrainingPictures) -> None:
    """Warn of cameras in whose pictures nothing varies: one inside a wall, or before a lens cap."""
    if not len(pictures):
        raise InvalidValueError("pictures to learn from", "no episode", "at least one")
    some = np.unique(np.linspace(0, len(pictures) - 1, 16).astype(int))
    for camera, shown in pictures.take(some).items():
        if len(some) > 1 and shown.std(axis=0, dtype=np.float64).max() < STILL:
            sentence = f"Nothing varies in what camera {camera} shows: it may be inside something, or point away."
            warnings.warn(sentence, FileWarning, stacklevel=3)
