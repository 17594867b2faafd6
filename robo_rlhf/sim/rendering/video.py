"""Video encoding for browsers: H.264 in MP4 with a constant frame rate, and GIF, with PyAV."""

import io
from collections.abc import Iterable, Iterator, Sized
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.filter import Graph

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, MissingDependencyError, ShapeError
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array

GOP = 10  # frames between key frames: a browser seeks to any frame by decoding at most this many
ENCODER: Final = "libx264"  # GPL: docs/licences.md
PRESET, CRF = "veryfast", 23  # against ultrafast: 1.6 times the time, 0.63 of the bytes (60 frames of 320x240)
BT601 = 6  # colour matrix of OpenCV: SMPTE 170M in the numbering of H.264
LIMITED = 1  # its range: luma in 16 to 235
INDEX_BYTES = 4096, 32  # room for the index at the head of the file: at least, and for each frame
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"  # what a browser can append to a stream of its own


def encode_mp4(frames: Iterable[Array], fps: float, count: int | None = None, *, fragmented: bool = False) -> bytes:
    """Return an MP4 of `frames` (T, H, W, 3) uint8 RGB, or an iterable of (H, W, 3); frame i is shown at i / fps [s].

    H.264, yuv420p, no B-frames, a key frame every GOP frames, the index first. Odd sizes grow by a repeated row or
    column. `count` is how many frames come at most, where `frames` has no length. `fragmented` writes a part that a
    browser appends to others of the same size and rate (Media Source Extensions); it is no file to be kept.

    Raises:
        InvalidValueError: no frames, a frame rate that is not above 0, or frames that are not uint8.
        ShapeError: a frame that is not (H, W, 3), or not of the size of the first.
    """
    rate = frame_rate(fps)
    if count is None:
        assert isinstance(frames, Sized), "an iterable without a length needs `count`"
        count = len(frames)
    buffer = io.BytesIO()
    least, each = INDEX_BYTES
    options = {"movflags": FRAGMENTS} if fragmented else {"moov_size": str(least + each * count)}
    with av.open(buffer, "w", format="mp4", options=options) as container:
        stream: av.VideoStream | None = None
        for index, planes in enumerate(_planes(frames)):
            if stream is None:
                stream = _add_stream(container, rate, planes)
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        if stream is None:
            raise InvalidValueError("video", "no frames", "at least one frame")
        container.mux(stream.encode())
    return buffer.getvalue()


def decode_mp4(video: bytes | Path) -> tuple[Array, float]:
    """Return all frames (T, H, W, 3) uint8 RGB of a video, and its frames per second.

    Raises:
        CorruptFileError: it is not a video, or broken.
    """
    name = video if isinstance(video, Path) else Path("video")
    try:
        with av.open(str(video) if isinstance(video, Path) else io.BytesIO(video), "r") as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    except (av.FFmpegError, IndexError) as error:
        raise CorruptFileError(name, str(error), "Render it again.") from error
    if not frames:
        raise CorruptFileError(name, "it holds no frames", "Render it again.")
    return np.stack(frames), rate


def frames_to_gif(frames: Iterable[Array], path: Path, fps: float = 10.0, width: int | None = None) -> None:
    """Write `frames` (T, H, W, 3) uint8 RGB as a looping GIF, with an adapted palette, scaled to `width` [pixels].

    Raises:
        InvalidValueError: no frames, or a frame rate that is not above 0.
    """
    pictures = [_checked(frame) for frame in frames]
    if not pictures:
        raise InvalidValueError("GIF", "no frames", "at least one frame")
    if width is not None:
        high = max(1, round(pictures[0].shape[0] * width / pictures[0].shape[1]))
        pictures = [cv2.resize(picture, (width, high), interpolation=cv2.INTER_AREA) for picture in pictures]
    rate = frame_rate(fps)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="gif", options={"loop": "0"}) as container:
        stream = container.add_stream("gif", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "pal8"
        for picture in _with_palette(pictures, rate):
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    write_atomic(path, buffer.getvalue())


def frame_rate(fps: float) -> Fraction:
    """Return frames per second as the fraction that a video file holds.

    Raises:
        InvalidValueError: it is not a finite number above 0 and up to 1000.
    """
    if not 0 < fps <= 1000:
        raise InvalidValueError("frames a second", fps, "a number above 0 and up to 1000")
    return Fraction(fps).limit_denominator(1001)


def _add_stream(container: av.container.OutputContainer, rate: Fraction, planes: Array) -> av.VideoStream:
    if ENCODER not in av.codecs_available:
        advice = "PyAV's wheels hold it: pip install --force-reinstall --only-binary av av. docs/licences.md says more."
        raise MissingDependencyError(f"The H.264 encoder {ENCODER}", "every video that is written", advice)
    # mbtree=0: with x264's macroblock tree, 14 of 161 encodings of equal frames differed, by what memory had held
    options = {"preset": PRESET, "crf": str(CRF), "sc_threshold": "0", "x264-params": "mbtree=0"}
    stream = container.add_stream(ENCODER, rate=rate, options=options)
    stream.height, stream.width = planes.shape[0] * 2 // 3, planes.shape[1]
    stream.pix_fmt, stream.time_base = "yuv420p", 1 / rate
    codec = stream.codec_context
    codec.gop_size, codec.max_b_frames, codec.thread_count = GOP, 0, 1
    codec.colorspace = codec.color_primaries = codec.color_trc = BT601
    codec.color_range = LIMITED
    return stream


def _planes(frames: Iterable[Array]) -> Iterator[Array]:
    """Yield each frame as yuv420p planes (3 H / 2, W), sizes made even."""
    size: tuple[int, ...] = ()
    for frame in frames:
        picture = _checked(frame)
        size = size or picture.shape
        if picture.shape != size:
            raise ShapeError("video frame", size, picture.shape)
        height, width = size[:2]
        if height % 2 or width % 2:
            picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        yield cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)


def _checked(frame: Array) -> Array:
    if frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ShapeError("video frame", ("H", "W", 3), frame.shape)
    if frame.dtype != np.uint8:
        raise InvalidValueError("video frame", f"dtype {frame.dtype}", "dtype uint8")
    return frame


def _with_palette(pictures: list[Array], rate: Fraction) -> Iterator[av.VideoFrame]:
    """Yield the images in a common palette of 256 colours."""
    graph = Graph()
    height, width = pictures[0].shape[:2]
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / rate)
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=diff")
    use = graph.add("paletteuse", "dither=none:diff_mode=rectangle")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    palette.link_to(use, 0, 1)
    split.link_to(use, 1, 0)
    use.link_to(sink)
    graph.configure()
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, 1 / rate
        graph.push(frame)
    graph.push(None)
    while True:
        try:
            yield graph.pull()  # type: ignore[misc]
        except (av.BlockingIOError, av.EOFError):
            return
