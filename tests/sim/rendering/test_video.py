import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, MissingDependencyError, ShapeError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.video import GOP, decode_mp4, encode_mp4, frames_to_gif


def moving_square(count: int, height: int = 48, width: int = 64) -> Array:
    frames = np.full((count, height, width, 3), (40, 90, 160), np.uint8)
    for index, frame in enumerate(frames):
        left = 2 * index % (width - 16)
        frame[16:32, left : left + 16] = (230, 60, 40)
    return frames


def test_every_frame_comes_back_in_its_colours() -> None:
    frames = moving_square(25)
    again, rate = decode_mp4(encode_mp4(frames, 20))
    assert again.shape == frames.shape
    assert rate == 20
    assert np.abs(again.astype(int) - frames).mean() < 4
    plain = np.abs(again[0, :8].astype(int) - frames[0, :8])  # away from edges, where colours have half the resolution
    assert plain.max() < 5


@pytest.mark.parametrize("fps", [20, 12.5, 30, 50, 1, 1 / 0.04, 29.97])
def test_frame_i_is_shown_at_i_over_the_rate(fps: float) -> None:
    with av.open(io.BytesIO(encode_mp4(moving_square(12), fps)), "r") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stamps = [
            frame.pts * stream.time_base for stream in container.streams.video for frame in container.decode(stream)
        ]
    assert stamps == [index / rate for index in range(12)]


def test_the_format_is_one_that_browsers_play_and_step() -> None:
    data = encode_mp4(moving_square(35), 20)
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
    assert all(packet.pts == packet.dts for packet in packets)  # no B-frames
    keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    assert keys == list(range(0, 35, GOP))


def test_the_same_frames_give_the_same_bytes_whatever_was_encoded_before() -> None:
    rng = np.random.default_rng(0)
    first = encode_mp4(moving_square(8), 20)
    for _ in range(60):
        height, width, count = rng.integers(2, 80), rng.integers(2, 80), rng.integers(1, 30)
        encode_mp4(rng.integers(0, 255, (count, height, width, 3), dtype=np.uint8), 20)  # leaves other things in memory
        assert encode_mp4(moving_square(8), 20) == first


@settings(max_examples=12)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_any_size_is_taken_and_odd_ones_grow(height: int, width: int, count: int) -> None:
    frames = np.full((count, height, width, 3), (200, 120, 50), np.uint8)
    again, _ = decode_mp4(encode_mp4(frames, 20))
    assert again.shape == (count, height + height % 2, width + width % 2, 3)
    assert np.abs(again.astype(int) - (200, 120, 50)).max() < 8


def test_long_clips_fit_their_index() -> None:
    frames = np.zeros((3000, 16, 16, 3), np.uint8)
    assert len(decode_mp4(encode_mp4(frames, 20))[0]) == 3000


def test_frames_may_come_one_by_one() -> None:
    frames = moving_square(9)

    def each() -> Iterator[Array]:
        yield from frames

    assert encode_mp4(each(), 20, 9) == encode_mp4(frames, 20)


def test_what_is_not_a_clip_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="video: expected at least one frame, got no frames"):
        encode_mp4(np.zeros((0, 8, 8, 3), np.uint8), 20)
    with pytest.raises(InvalidValueError, match="dtype uint8, got dtype float64"):
        encode_mp4(np.zeros((2, 8, 8, 3)), 20)
    with pytest.raises(ShapeError, match=r"expected shape \(H, W, 3\), got shape \(8, 8\)"):
        encode_mp4(np.zeros((2, 8, 8), np.uint8), 20)
    with pytest.raises(ShapeError, match=r"expected shape \(8, 8, 3\), got shape \(8, 9, 3\)"):
        encode_mp4([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)], 20)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 2000])
def test_impossible_frame_rates_are_refused(fps: float) -> None:
    with pytest.raises(InvalidValueError, match="frames a second: expected a number above 0"):
        encode_mp4(moving_square(2), fps)


def test_a_pyav_without_the_encoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with pytest.raises(MissingDependencyError, match="libx264 is missing"):
        encode_mp4(np.zeros((1, 16, 16, 3), np.uint8), 10)


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"clip\.mp4 cannot be read"):
        decode_mp4(path)


def test_a_gif_keeps_frames_and_loops(tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    frames_to_gif(moving_square(10), path, fps=10)
    again, rate = decode_mp4(path)
    assert again.shape == (10, 48, 64, 3)
    assert rate == 10
    assert np.abs(again.astype(int) - moving_square(10)).max() < 12
    assert b"NETSCAPE2.0" in path.read_bytes()


def test_a_gif_is_scaled(tmp_path: Path) -> None:
    frames_to_gif(moving_square(3), tmp_path / "small.gif", width=32)
    assert decode_mp4(tmp_path / "small.gif")[0].shape == (3, 24, 32, 3)
    with pytest.raises(InvalidValueError, match="GIF: expected at least one frame"):
        frames_to_gif([], tmp_path / "none.gif")
