"""Writing clips: the states of an episode from any camera, and several clips side by side for a report."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering import captions
from robo_rlhf.sim.rendering.camera import Camera
from robo_rlhf.sim.rendering.video import encode_mp4

if TYPE_CHECKING:
    from robo_rlhf.sim.rendering.pool import RenderPool
    from robo_rlhf.sim.rendering.renderer import FrameRenderer, ModelSource, Quality

GAP = 8  # [pixels] between clips that are side by side
Overlay = str | Sequence[str] | None  # one text for a whole clip, or one per frame


def render_clip(
    model: "ModelSource",
    states: Array,
    out: Path,
    camera: Camera | str = "front",
    width: int = 320,
    height: int = 240,
    fps: float = 20.0,
    quality: "Quality" = "fast",
    overlay: Overlay = None,
    pool: "RenderPool | None" = None,
) -> None:
    """Write `states` (T, nstate) as an MP4, atomically; by a worker of `pool` where one is given, else in this process.

    `model` is a task's name, MJCF text or the path of an MJCF file; `fps` is one over the control step [1/s] for clips
    in real time.

    Raises:
        UnknownNameError: there is no such task, camera or quality.
        ShapeError: the states are of another model.
        InvalidValueError: no states, or a size or frame rate outside its range.
        MissingDependencyError: OpenGL is not available.
    """
    if pool is not None:
        write_atomic(out, pool.mp4(model, states, camera, width, height, quality, fps, overlay).result())
        return
    from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model

    with FrameRenderer(load_model(model), width, height, quality) as renderer:
        write_atomic(out, clip_bytes(renderer, states, camera, fps, overlay))


def clip_bytes(
    renderer: "FrameRenderer",
    states: Array,
    camera: Camera | str,
    fps: float,
    overlay: Overlay,
    *,
    fragmented: bool = False,
) -> bytes:
    """Return an MP4 of `states` (T, nstate), frame after frame, so that long clips need no more memory than short ones.

    `fragmented`: as `encode_mp4`.

    Raises:
        ShapeError: the states are of another model, or there is not one text per frame.
    """
    texts = _texts(overlay, len(states))

    def frames() -> Iterator[Array]:
        for picture, text in zip(renderer.each(states, camera), texts, strict=True):
            captions.overlay(picture, text)
            yield picture

    return encode_mp4(frames(), fps, len(states), fragmented=fragmented)


def png(picture: Array) -> bytes:
    """Return a picture (H, W, 3) uint8 RGB as a PNG, pixel for pixel."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def render_looks(
    model: "ModelSource", states: Array, out: Path, looks: int, camera: str, width: int, height: int, fps: float
) -> None:
    """Write `states` (T, nstate) in the looks of seeds 0 to `looks` - 1 beside each other, as one MP4, atomically.

    Raises as `render_clip`.
    """
    from robo_rlhf.sim.rendering.looks import Look
    from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model

    clips = []
    with FrameRenderer(load_model(model), width, height) as renderer:
        for seed in range(looks):
            renderer.wardrobe.dress(Look(seed))
            clips.append(renderer.frames(states, camera))
    columns = math.ceil(math.sqrt(looks))
    side_by_side(clips, [f"look {seed}" for seed in range(looks)], out, fps, columns)


def side_by_side(
    clips: Sequence[Array],
    titles: Sequence[str],
    out: Path,
    fps: float = 20.0,
    columns: int | None = None,
) -> None:
    """Write several clips, each (T, H, W, 3) uint8 with a title above it, as one MP4, atomically.

    All clips are scaled to the size of the first; a clip that ends earlier stays at its last frame. `columns` is the
    number of clips per row (all of them where None).

    Raises:
        InvalidValueError: no clips, an empty one, or columns below 1.
        ShapeError: there is not one title per clip, or a clip is not (T, H, W, 3).
    """
    if not clips or not all(len(clip) for clip in clips):
        raise InvalidValueError("clips side by side", "none or an empty one", "at least one, each with frames")
    if len(titles) != len(clips):
        raise ShapeError("titles of clips", (len(clips),), (len(titles),))
    if columns is not None and columns < 1:
        raise InvalidValueError("columns of clips", columns, "1 or more")
    for clip in clips:
        if clip.ndim != 4 or clip.shape[3] != 3:
            raise ShapeError("clip", ("T", "H", "W", 3), clip.shape)
    write_atomic(out, encode_mp4(_sheets(clips, titles, columns or len(clips)), fps, max(map(len, clips))))


def _sheets(clips: Sequence[Array], titles: Sequence[str], columns: int) -> Iterator[Array]:
    """Yield the frames of all clips on one sheet each."""
    height, width = clips[0].shape[1:3]
    head = captions.bar_height(height)
    rows = -(-len(clips) // columns)
    columns = min(columns, len(clips))
    sheet = np.full((rows * (head + height + GAP) + GAP, columns * (width + GAP) + GAP, 3), captions.PAPER, np.uint8)
    places = []
    for index, title in enumerate(titles):
        top, left = GAP + index // columns * (head + height + GAP), GAP + index % columns * (width + GAP)
        sheet[top : top + head, left : left + width] = captions.bar(title, width, head)
        places.append(sheet[top + head : top + head + height, left : left + width])
    for moment in range(max(map(len, clips))):
        for place, clip in zip(places, clips, strict=True):
            place[:] = _sized(clip[min(moment, len(clip) - 1)], width, height)
        yield sheet


def _sized(picture: Array, width: int, height: int) -> Array:
    """Return the picture scaled to fit the size, centred on black where its shape differs."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    sized = np.zeros((height, width, 3), np.uint8)
    top, left = (height - high) // 2, (width - wide) // 2
    sized[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
    return sized


def _texts(overlay: Overlay, count: int) -> Sequence[str]:
    if overlay is None or isinstance(overlay, str):
        return [overlay or ""] * count
    if len(overlay) != count:
        raise ShapeError("overlay texts", (count,), (len(overlay),))
    return overlay
