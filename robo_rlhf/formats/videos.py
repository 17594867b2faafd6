"""Videos that were recorded: what a file holds, H.264 that browsers step through made of it, frames at given times.

Generator functions, so that a helper process can run them (`helper_process`): a damaged video may crash its decoder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.types import Array, RecordedVideo
from robo_rlhf.data.recorded_videos import store_video, video_path
from robo_rlhf.episodes.recorded_frames import bad_video, frames_at, require_video, video_stream
from robo_rlhf.formats.base import VideoPart
from robo_rlhf.sim.rendering.video import GOP, encode_mp4, frame_rate

MOST_LINES = 720  # of a video that is reviewed
SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v")
LONGEST = 24 * 3600.0  # [s]
UNEVEN = 0.6  # of the time between two frames: how far one may be from its place before the video is resampled
_ADVICE = "Convert it with ffmpeg, or leave it out."


class Probe(NamedTuple):
    """What a video file says about itself, checked against its frames."""

    codec: str
    fps: float
    frames: int
    width: int  # [pixels] as shown, after rotation
    height: int  # [pixels]
    rotation: int  # [degrees] clockwise that the picture is turned by when it is shown: 0, 90, 180, 270
    even: bool  # whether its frames have a constant rate
    steppable: bool  # whether browsers can step through it as it is


def probe(path: Path) -> Iterator[Probe]:
    """Yield what a video holds, after a look at every packet; decoded is only its first frame.

    Raises:
        CorruptFileError: it is no video, truncated, of audio only, without frames, or longer than a day.
    """
    require_video(path)
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container, path)
            first = next(container.decode(stream), None)
            if first is None:
                raise bad_video(path, "it holds no frames that can be decoded")
            rotation = -int(first.rotation) % 360
            container.seek(0, stream=stream)
            times, keys, order = _packets(container, stream, path)
            codec = stream.codec_context
            kind, pixels, width, height = codec.name, codec.pix_fmt, codec.width, codec.height
            listed, whole = stream.frames, 0 if container.streams.audio else container.duration
    except (av.FFmpegError, ValueError, OverflowError, ArithmeticError) as error:
        raise bad_video(path, str(error)) from error
    if not times:
        raise bad_video(path, "it holds no frames")
    stamps = np.sort(np.array(times))
    length = stamps[-1] - stamps[0]
    if not 0 <= length <= LONGEST or not 0 < width * height <= 2**26:
        raise bad_video(path, f"{length:.0f} s of {width}x{height} is no video that can be judged")
    if len(times) < listed:
        raise bad_video(path, f"it is truncated: {len(times)} of the {listed} frames that its index lists")
    stated = (whole or 0) / av.time_base  # [s]
    if length < 0.9 * stated - 1:
        raise bad_video(path, f"it is truncated: {length:.1f} s of the {stated:.1f} s that its head states")
    fps = (len(stamps) - 1) / length if length > 0 else 30.0
    fps = _standard(min(fps, 1000.0))
    even = bool(np.abs(stamps - stamps[0] - np.arange(len(stamps)) / fps).max() * fps <= UNEVEN)
    gaps = np.diff([0, *np.flatnonzero(keys), len(keys)])  # frames between those that can be decoded alone
    steppable = kind == "h264" and pixels == "yuv420p" and order and even and not rotation
    steppable &= path.suffix.lower() == ".mp4" and bool(gaps.max() <= 2 * GOP) and height <= MOST_LINES
    if rotation in (90, 270):
        width, height = height, width
    yield Probe(str(kind), fps, len(stamps), width, height, rotation, even, bool(steppable))


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> tuple[list[float], list[bool], bool]:
    """Return the time [s] of every frame, whether it can be decoded alone, and whether all are stored as shown."""
    times, keys, order = list[float](), list[bool](), True
    for packet in container.demux(stream):
        if packet.pts is None or packet.time_base is None:
            continue
        if packet.is_corrupt:
            raise bad_video(path, f"it is truncated or damaged: its frame {len(times)} is not whole")
        order &= packet.dts is None or packet.dts == packet.pts
        keys.append(packet.is_keyframe)
        times.append(float(packet.pts * packet.time_base))
    return times, keys, order


def take_in(parts: dict[str, VideoPart], folder: Path, episode: str) -> Iterator[dict[str, RecordedVideo]]:
    """Store the videos of one episode in the dataset at `folder`; yield what it then shows, by camera.

    A file that browsers can step through is kept as it is. Of any other, H.264 is made; a whole file that holds one
    episode is kept beside it as the original, a part of a longer one is cut out by encoding it.

    Raises:
        CorruptFileError: a video cannot be decoded, or has fewer frames than the episode.
    """
    yield {camera: _take_one(part, folder, episode) for camera, part in parts.items()}


def clip_at(path: Path, times: Array, fps: float, size: tuple[int, int] | None) -> Iterator[bytes]:
    """Yield one MP4 of `frames_at`."""
    yield encode_mp4(frames_at(path, times, size), fps, len(times))


def array_at(path: Path, times: Array, size: tuple[int, int] | None) -> Iterator[Array]:
    """Yield all of `frames_at` (T, H, W, 3) at once."""
    yield np.stack(list(frames_at(path, times, size)))


def original_of(folder: Path, video: RecordedVideo) -> Path:
    """Return the file of a recorded video as it was recorded, in the dataset at `folder`."""
    return video_path(folder, video.original)


def _take_one(part: VideoPart, folder: Path, episode: str) -> RecordedVideo:
    if part.pictures:
        high, wide = part.pictures[0].shape[:2]
        name = store_video(folder, encode_mp4(part.pictures, part.rate or 30.0), "mp4")
        return RecordedVideo(name, name, part.rate or 30.0, len(part.pictures), wide, high)
    try:
        (known,) = probe(part.path)
    except CorruptFileError as error:
        raise CorruptFileError(part.path, f"episode {episode}: {error.reason}", _ADVICE) from error
    rate = part.rate or known.fps
    first = round(part.start * known.fps)
    count = known.frames - first if part.frames is None else part.frames
    if count < 1 or first + count > known.frames:
        reason = f"episode {episode}: {known.frames} frames in the video, rows {first} to {first + count} in the data"
        raise CorruptFileError(part.path, reason, "Videos and rows must have the same length. " + _ADVICE)
    whole = first == 0 and count == known.frames
    shape = known.width, known.height
    if whole and known.steppable:
        name = store_video(folder, part.path, "mp4")
        return RecordedVideo(name, name, known.fps, count, *shape)
    fps = rate if known.even else _standard(max(known.fps, 10.0))
    count = count if known.even else max(round(count / known.fps * fps), 1)
    times = part.start + (np.arange(count) + 0.5) / fps
    scale = min(MOST_LINES / known.height, 1.0)
    size = None if scale == 1 else (round(known.width * scale / 2) * 2, MOST_LINES)
    made = encode_mp4(frames_at(part.path, times, size), fps, count)
    file = store_video(folder, made, "mp4")
    if whole:
        original = store_video(folder, part.path, part.path.suffix.lower().lstrip(".") or "mp4")
    elif size is not None:
        original = store_video(folder, encode_mp4(frames_at(part.path, times, None), fps, count), "mp4")
    else:
        original = file
    return RecordedVideo(file, original, fps, count, *shape)


def _standard(fps: float) -> float:
    """Return the rate that cameras have nearest to a measured one, where it is within 1 %; else the measured one."""
    near = min((*range(1, 241), 24000 / 1001, 30000 / 1001, 60000 / 1001), key=lambda rate: abs(rate - fps))
    return float(frame_rate(near if abs(near - fps) <= 0.01 * fps else max(fps, 0.1)))
