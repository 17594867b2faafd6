"""Clips in Chromium: each frame can be gone to exactly, and playing shows all of them."""

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from robo_rlhf.core.types import Array
from robo_rlhf.sim.rendering.video import encode_mp4

FRAMES, BITS = 60, 6
SHOW = """
async ([clip, fps]) => {
  const bytes = Uint8Array.from(atob(clip), c => c.charCodeAt(0));
  const video = document.createElement("video");
  video.muted = true;
  document.body.replaceChildren(video);
  const loaded = new Promise((done, fail) => {
    video.oncanplaythrough = done;
    video.onerror = () => fail(video.error);
  });
  video.src = URL.createObjectURL(new Blob([bytes], {type: "video/mp4"}));
  await loaded;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const paper = canvas.getContext("2d", {willReadFrequently: true});
  window.read = () => {  // the number that is drawn into the frame that is shown
    paper.drawImage(video, 0, 0);
    const row = paper.getImageData(0, 20, canvas.width, 1).data;
    let number = 0;
    for (let bit = 0; bit < 6; bit++) number += (row[4 * (40 * bit + 20)] > 128) << bit;
    return number;
  };
  window.go = async (time) => {  // to a time at which another frame is shown
    const drawn = new Promise(done => {
      const note = (now, frame) => {  // `seeked` may come before the frame is drawn
        if (frame.mediaTime <= time && time < frame.mediaTime + 1 / fps) done();
        else video.requestVideoFrameCallback(note);
      };
      video.requestVideoFrameCallback(note);
    });
    video.currentTime = time;
    await drawn;
    return window.read();
  };
  window.video = video;
  return [video.duration, video.videoWidth, video.videoHeight];
}
"""
WALK = """
async (times) => {
  const seen = [];
  for (const time of times) seen.push(await window.go(time));
  return seen;
}
"""
PLAY = """
async (rate) => {
  const seen = [];
  window.video.playbackRate = rate;
  const note = (now, frame) => {
    seen.push([frame.mediaTime, window.read()]);
    window.video.requestVideoFrameCallback(note);
  };
  window.video.requestVideoFrameCallback(note);
  const ended = new Promise(done => { window.video.onended = done });
  await window.video.play();
  await ended;
  return [seen, window.read()];
}
"""


def numbered(width: int = 320, height: int = 240) -> Array:
    """Return frames (FRAMES, H, W, 3) of moving noise, each with its number in black and white squares at the top."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 5)
    frames = np.stack([np.roll(ground, 3 * i, axis=1) for i in range(FRAMES)])
    for i, frame in enumerate(frames):
        for bit in range(BITS):
            frame[:40, 40 * bit : 40 * bit + 40] = 255 * (i >> bit & 1)
    return frames


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def show(page: Page, frames: Array, fps: float) -> list[float]:
    shown: list[float] = page.evaluate(SHOW, [base64.b64encode(encode_mp4(frames, fps)).decode(), fps])
    return shown


@pytest.mark.parametrize(("fps", "width"), [(20, 320), (12.5, 321), (29.97, 320)])
def test_every_frame_can_be_gone_to(page: Page, fps: float, width: int) -> None:
    duration, wide, _ = show(page, numbered(width), fps)
    assert duration == pytest.approx(FRAMES / fps, abs=1e-3)
    assert wide == width + width % 2
    forwards = range(1, FRAMES) if fps == 20 else range(1, 24)
    random = np.random.default_rng(0).permutation(FRAMES - 1).tolist()
    order = [*forwards, *reversed(forwards[:-1]), FRAMES - 1, *random[: len(forwards)]]
    middles = [(i + 0.5) / fps for i in order]  # of the time for which frame i is shown
    assert page.evaluate(WALK, middles) == order


def test_playing_shows_the_frames_in_order_and_stays_at_the_last(page: Page) -> None:
    show(page, numbered(), 20)
    seen, last = page.evaluate(PLAY, 2.0)
    assert last == FRAMES - 1
    assert seen
    numbers = [number for _, number in seen]
    assert numbers == sorted(numbers)
    ahead = [number - time * 20 for time, number in seen]
    assert min(ahead) > -0.1
    assert max(ahead) < 2.1  # while it plays, the next ones may be drawn already when the script reads
