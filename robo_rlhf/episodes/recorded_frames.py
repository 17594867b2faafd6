"""Frames of recorded videos at given times, of whatever codec, size and rate; only what is needed is decoded."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import open_whole
from robo_rlhf.core.types import Array, RecordedVideo

_ADVICE = "Convert it with ffmpeg, or leave it out."


def frames_at(path: Path, times: Array, size: tuple[int, int] | None = None) -> Iterator[Array]:
    """Yield the frames (H, W, 3) uint8 RGB shown at `times` (T,) [s into the file, rising], scaled to (width, height).

    Raises:
        CorruptFileError: the video cannot be decoded, or ends more than a frame before the last of the times.
    """
    wanted, shown, index = np.asarray(times, dtype=np.float64), None, 0
    for moment, picture in _decoded(path, float(wanted[0]) if len(wanted) else 0.0):
        while shown is not None and index < len(wanted) and wanted[index] < moment - 1e-4:
            yield shown
            index += 1
        if index == len(wanted):
            return
        shown = picture if size is None else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if shown is None:
        raise bad_video(path, f"it has no frame from {float(wanted[0]):.2f} s on")
    for _ in range(index, len(wanted)):
        yield shown


def step_times(video: RecordedVideo, steps: int, control_dt: float) -> Array:
    """Return when steps 0 to `steps` - 1 of an episode began [s into the file], within what was recorded."""
    times = np.arange(steps) * control_dt + 0.5 / video.fps
    return np.asarray(video.start + np.minimum(times, (video.frames - 0.5) / video.fps))


def _decoded(path: Path, start: float) -> Iterator[tuple[float, Array]]:
    """Yield the time [s] and the picture of each frame, from a little before `start` on, turned as it is shown."""
    require_video(path)
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container, path)
            stream.thread_type = "AUTO"
            base = stream.time_base or Fraction(1, 90000)
            zero = float((stream.start_time or 0) * base)
            if start > 1:
                container.seek(int((start + zero) / base), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.time is not None:
                    picture = frame.to_ndarray(format="rgb24")
                    turns = round(frame.rotation / 90) % 4
                    yield frame.time - zero, np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
    except (av.FFmpegError, ValueError, OverflowError, ArithmeticError) as error:
        if isinstance(error, InvalidValueError):
            raise
        raise bad_video(path, str(error)) from error


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the first video of a file.

    Raises:
        CorruptFileError: it holds audio only, or a codec that is not known here.
    """
    if not container.streams.video:
        holds = "audio only" if container.streams.audio else "no pictures"
        raise bad_video(path, f"it holds {holds}")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise bad_video(path, "its codec is not known here")
    return stream


def require_video(path: Path) -> None:
    """Refuse what is no file: reading a pipe could block forever; raises as `open_whole`.

    Raises:
        CorruptFileError: it is missing.
    """
    try:
        open_whole(path, _ADVICE).close()
    except FileNotFoundError:
        raise bad_video(path, "it is missing") from None


def bad_video(path: Path, reason: str) -> CorruptFileError:
    """Return the error for a video that cannot be used."""
    return CorruptFileError(path, reason.splitlines()[0] if reason else "it cannot be decoded", _ADVICE)
