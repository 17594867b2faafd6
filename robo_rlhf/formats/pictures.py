"""Pictures of episodes for an export: drawn from states by worker processes, or taken from recorded videos.

Each camera of each episode is one file in the folder of the export, whole or not there: an export that was stopped
draws only what is missing.
"""

import io
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array, EpisodeMeta
from robo_rlhf.data.reader import EpisodeInfo, Reader
from robo_rlhf.episodes.recorded_frames import step_times
from robo_rlhf.formats.helper_process import one_apart
from robo_rlhf.formats.videos import array_at, clip_at, original_of
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.sim.tasks import TASKS

AHEAD = 2  # requests for each worker that wait or run


def check_cameras(infos: Sequence[EpisodeInfo], cameras: Sequence[str]) -> None:
    """Refuse cameras that some episode cannot be shown from, before anything is drawn.

    Raises:
        InvalidValueError: an episode has neither states of a task of this program nor such a recorded video.
        UnknownNameError: its scene has no such camera.
    """
    drawn = {info.meta.task for info in infos if not info.meta.frames and info.meta.task in TASKS} if cameras else set()
    if drawn:
        with RenderPool(1, eager=False) as pool:
            for known in [pool.cameras(task).result() for task in sorted(drawn)]:
                for camera in map(Camera.parse, cameras):
                    if camera.name:
                        camera.index_in(known)
    for info in infos:
        meta = info.meta
        if meta.task in drawn and not meta.frames:
            continue
        for name in cameras:
            if name not in meta.frames:
                has = f"recorded cameras {', '.join(sorted(meta.frames))}" if meta.frames else "no pictures at all"
                what = f"camera {name!r} of episode {meta.id}"
                raise InvalidValueError(what, has, "a camera that it was recorded with, or states to draw from")


def draw(
    reader: Reader,
    infos: Sequence[EpisodeInfo],
    cameras: Sequence[str],
    size: int | None,
    folder: Path,
    suffix: str,
    tell: Callable[[int, int], object],
) -> None:
    """Draw what is missing in `folder`, one picture a step: CAMERA/ID.mp4, or .npy of (T, H, W, 3) uint8.

    Args:
        reader: of the episodes.
        infos: the episodes.
        cameras: names of cameras.
        size: width and height [pixels]; where None, 256 for what is drawn and as recorded for what was recorded.
        folder: of the export.
        suffix: ".mp4" or ".npy".
        tell: called with frames done, and of how many.

    Raises:
        RoboRlhfError: as `RenderPool` and `videos`.
    """
    total = sum(info.length for info in infos) * len(cameras)
    wanted = [(info, camera, folder / camera / f"{info.meta.id}{suffix}") for info in infos for camera in cameras]
    missing = [(info, camera, path) for info, camera, path in wanted if not path.exists()]
    done = total - sum(info.length for info, _, _ in missing)
    tell(done, total)
    if not missing:
        return
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    waiting: deque[tuple[EpisodeInfo, Path, Future[bytes] | Future[Array]]] = deque()
    with RenderPool(workers, eager=False) as pool, ThreadPoolExecutor(workers) as threads:
        for info, camera, path in missing:
            waiting.append((info, path, _begin(pool, threads, reader, info, camera, size, suffix)))
            while len(waiting) >= AHEAD * workers:
                done += _finish(*waiting.popleft())
                tell(done, total)
        while waiting:
            done += _finish(*waiting.popleft())
            tell(done, total)


def _begin(
    pool: RenderPool,
    threads: ThreadPoolExecutor,
    reader: Reader,
    info: EpisodeInfo,
    camera: str,
    size: int | None,
    suffix: str,
) -> Future[bytes] | Future[Array]:
    meta, square = info.meta, size or 256
    if meta.frames:
        video = meta.frames[camera]
        path, times = original_of(reader.path, video), step_times(video, info.length, meta.control_dt)
        scaled = None if size is None else (size, size)
        if suffix == ".mp4":
            return threads.submit(one_apart, path, clip_at, path, times, rate_of(meta), scaled)
        return threads.submit(one_apart, path, array_at, path, times, scaled)
    columns, _ = reader.read(meta.id, ("state",))
    states = columns["state"][:-1]
    if suffix == ".mp4":
        return pool.mp4(meta.task, states, camera, square, square, fps=rate_of(meta))
    return pool.frames(meta.task, states, camera, square, square)


def _finish(info: EpisodeInfo, path: Path, future: Future[bytes] | Future[Array]) -> int:
    made = future.result()
    if not isinstance(made, bytes):
        buffer = io.BytesIO()
        np.save(buffer, made, allow_pickle=False)
        made = buffer.getvalue()
    write_atomic(path, made)
    return info.length


def rate_of(meta: EpisodeMeta) -> int:
    """Return the steps a second of an episode, a whole number as formats hold it."""
    return max(round(1 / meta.control_dt), 1)
