"""Pictures of episodes of outside environments: replayed, and curves where that cannot be."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import numpy as np
import pytest

from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.formats.importing import import_place
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.sim.rendering.pool import RenderPool
from robo_rlhf.sim.rendering.video import decode_mp4
from teleop.station.media.films import NoPictureError
from teleop.station.media.media import CameraView, Media
from teleop.station.media.replayed import curves
from tests.formats.making import brightness, grey_video

STEPS = 12


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Media]:
    with closing(Media(tmp_path / "clips", lambda: cast(RenderPool, None))) as made:
        yield made


class Wave:
    """A policy that moves."""

    def reset(self, num_envs: int) -> None:
        pass

    def act(self, obs: Array) -> Array:
        return np.tile(np.float32([0.6, -0.4]), (len(obs), 1))


@pytest.fixture(scope="module")
def episode() -> Iterator[Episode]:
    env = ExternalVecEnv("Reacher-v5", 1)
    whole = rollout(env, Wave(), np.array([3]), steps=STEPS)[0]
    yield replace(whole, state=whole.state[:, :0])
    env.close()


def add(folder: Path, episode: Episode, **fields: object) -> Path:
    dataset = Dataset(folder / "ds", create=True, task=MIXED)
    whole = replace(episode, meta=replace(episode.meta, id="e", **fields))  # type: ignore[arg-type]
    dataset.add(whole)
    return episode_path(dataset.path, "e")


def test_an_episode_is_replayed_frame_by_frame(tmp_path: Path, media: Media, episode: Episode) -> None:
    path = add(tmp_path, episode)
    clip = asyncio.run(media.clip(path, CameraView()))
    frames, fps = decode_mp4(clip.body.read(0, clip.body.size))
    assert frames.shape == (STEPS + 1, 240, 320, 3)
    assert fps == pytest.approx(1 / episode.meta.control_dt)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 50  # the arm has moved
    before = time.monotonic()
    still = asyncio.run(media.frame(path, CameraView(), 5))  # out of the clip that is there
    assert still.body.read(0, 2) == b"\xff\xd8"
    assert time.monotonic() - before < 30
    hover = asyncio.run(media.hover(path, CameraView()))
    assert len(decode_mp4(hover.body.read(0, hover.body.size))[0]) == STEPS + 1


def test_what_goes_another_way_is_not_shown(tmp_path: Path, media: Media, episode: Episode) -> None:
    path = add(tmp_path, replace(episode, obs=episode.obs + 0.5))
    with pytest.raises(NoPictureError, match=r"It cannot be replayed\. .* off by up to 0\.5"):
        asyncio.run(media.clip(path, CameraView()))


def test_no_module_is_imported_because_a_file_names_it(tmp_path: Path, media: Media, episode: Episode) -> None:
    path = add(tmp_path, episode, task="antigravity:Reacher-v5")
    with pytest.raises(NoPictureError, match="code of the module antigravity"):
        asyncio.run(media.poster(path, CameraView()))


def test_curves_are_a_drawing_of_what_is_there(tmp_path: Path, episode: Episode) -> None:
    drawing = ElementTree.fromstring(curves(add(tmp_path, episode)))
    lines = [element for element in drawing.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 5  # the reward and four observations
    texts = [element.text or "" for element in drawing.iter() if element.tag.endswith("text")]
    assert texts[0].startswith("reward: ")
    assert "It cannot be replayed." in texts
    assert all(len(line.attrib["points"].split()) >= STEPS for line in lines)


def test_recorded_frames_are_shown_as_they_are_and_not_those_of_another(media: Media, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("one", "two")):
        (tmp_path / f"in/{name}.mp4").write_bytes(grey_video(9, first=90 * number))
    import_place(tmp_path / "in", tmp_path / "ds")
    for name, first in (("one", 0), ("two", 9)):
        path = episode_path(tmp_path / "ds", name)
        clip = asyncio.run(media.clip(path, CameraView("video"), 2, 6))
        frames, fps = decode_mp4(clip.body.read(0, clip.body.size))
        assert fps == 10
        assert brightness(frames) == [first + 2, first + 3, first + 4, first + 5]
        still = asyncio.run(media.frame(path, CameraView(), 7))  # the front camera is the only one
        assert still.body.read(0, 2) == b"\xff\xd8"
    with pytest.raises(NoPictureError, match="Unknown camera 'wrist'"):
        asyncio.run(media.clip(path, CameraView("wrist")))
