from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.sim.rendering import captions
from robo_rlhf.sim.rendering.clips import render_clip, side_by_side
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.rendering.video import decode_mp4
from tests.sim.little_scene import MJCF, states


def test_a_clip_shows_every_state(tmp_path: Path) -> None:
    out = tmp_path / "new" / "clip.mp4"
    rows = states(7, turn=0.4)
    render_clip(MJCF, rows, out, "side", 96, 64, fps=10)
    frames, rate = decode_mp4(out)
    assert (frames.shape, rate) == ((7, 64, 96, 3), 10)
    with FrameRenderer(load_model(MJCF), 96, 64) as renderer:
        expected = renderer.frames(rows, "side")
    assert np.abs(frames.astype(int) - expected).mean() < 4
    assert [path.name for path in out.parent.iterdir()] == ["clip.mp4"]


def test_a_failed_clip_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"old")
    with pytest.raises(UnknownNameError, match="Unknown camera 'back'"):
        render_clip(MJCF, states(2), out, "back")
    with pytest.raises(InvalidValueError, match="at least one frame"):
        render_clip(MJCF, states(0), out)
    assert out.read_bytes() == b"old"


def test_words_lie_over_the_lower_edge(tmp_path: Path) -> None:
    rows = states(3)
    render_clip(MJCF, rows, tmp_path / "plain.mp4", width=160, height=120)
    render_clip(MJCF, rows, tmp_path / "words.mp4", width=160, height=120, overlay=["", "step 1", "step 2"])
    plain, words = (decode_mp4(tmp_path / name)[0].astype(int) for name in ("plain.mp4", "words.mp4"))
    changed = np.abs(words - plain).max(axis=(2, 3)) > 40
    assert not changed[0].any()
    assert changed[1:, -captions.bar_height(120) :].any(axis=1).all()
    assert not changed[:, : 120 - captions.bar_height(120) - 4].any()
    with pytest.raises(ShapeError, match=r"overlay texts: expected shape \(3\), got shape \(2,\)"):
        render_clip(MJCF, rows, tmp_path / "wrong.mp4", overlay=["a", "b"])


@pytest.mark.parametrize("text", ["", "short", "a caption that is much too long for so small a picture", "déjà vu"])
@pytest.mark.parametrize("size", [(240, 320), (16, 16), (1, 1)])
def test_any_words_fit_any_picture(text: str, size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 200, np.uint8)
    captions.overlay(picture, text)
    assert captions.bar(text, size[1], captions.bar_height(size[0])).shape == (captions.bar_height(size[0]), size[1], 3)


def test_clips_stand_side_by_side_until_the_last_has_ended(tmp_path: Path) -> None:
    red, green = np.full((5, 48, 64, 3), (220, 30, 30), np.uint8), np.full((2, 24, 32, 3), (30, 200, 60), np.uint8)
    side_by_side([red, green], ["before", "after"], tmp_path / "both.mp4", fps=20)
    frames, _ = decode_mp4(tmp_path / "both.mp4")
    head = captions.bar_height(48)
    assert frames.shape == (5, 8 + head + 48 + 8, 8 + 64 + 8 + 64 + 8, 3)
    assert np.abs(frames[-1, 8 + head + 24, 8 + 32].astype(int) - (220, 30, 30)).max() < 12
    assert np.abs(frames[-1, 8 + head + 24, 8 + 64 + 8 + 32].astype(int) - (30, 200, 60)).max() < 12


def test_many_clips_stand_in_rows(tmp_path: Path) -> None:
    clips = [np.full((1, 48, 64, 3), shade, np.uint8) for shade in (50, 100, 150)]
    side_by_side(clips, ["a", "b", "c"], tmp_path / "three.mp4", columns=2)
    height = 8 + 2 * (captions.bar_height(48) + 48 + 8)
    assert decode_mp4(tmp_path / "three.mp4")[0].shape == (1, height, 152, 3)


def test_clips_that_cannot_stand_side_by_side_are_refused(tmp_path: Path) -> None:
    clip = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(InvalidValueError, match="clips side by side: expected at least one"):
        side_by_side([], [], tmp_path / "x.mp4")
    with pytest.raises(InvalidValueError, match="an empty one"):
        side_by_side([clip[:0]], ["a"], tmp_path / "x.mp4")
    with pytest.raises(ShapeError, match=r"titles of clips: expected shape \(1\), got shape \(2,\)"):
        side_by_side([clip], ["a", "b"], tmp_path / "x.mp4")
    with pytest.raises(ShapeError, match=r"clip: expected shape \(T, H, W, 3\)"):
        side_by_side([clip[0]], ["a"], tmp_path / "x.mp4")
    with pytest.raises(InvalidValueError, match="columns of clips: expected 1 or more, got 0"):
        side_by_side([clip], ["a"], tmp_path / "x.mp4", columns=0)
