"""Pictures for training: drawn once, kept on disk, never stale."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import DiskFullError, FileWarning, InvalidValueError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.sim.rendering.looks import Look
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.vision import episode_pictures, frame_cache
from robo_rlhf.vision.episode_pictures import looks_of, see_episodes
from robo_rlhf.vision.frame_cache import FrameCache, frame_key
from robo_rlhf.vision.sight import Sight

SIGHT = Sight(("front", "wrist"), 16)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of states that were drawn."""
    counts: list[int] = []

    def counted(drawer: episode_pictures.Drawer, states: Array, looks: Sequence[Look]) -> dict[str, Array]:
        counts.append(len(states))
        return frame_draw(drawer, states, looks)

    frame_draw = episode_pictures.draw_all
    monkeypatch.setattr(episode_pictures, "draw_all", counted)
    return counts


def test_pictures_are_those_of_the_frames_and_drawn_once(
    episodes: list[Episode], tmp_path: Path, drawn: list[int]
) -> None:
    cache = FrameCache(tmp_path)
    pictures = see_episodes(episodes, SIGHT, cache)
    assert len(pictures) == 8
    assert drawn == [4, 4]
    chosen = np.array([[0, 5], [7, 3]])
    found = pictures.take(chosen)
    states = np.concatenate([e.state for e in episodes])[chosen.reshape(-1)]
    with FrameRenderer(load_model("pick_place"), 16, 16) as renderer:
        for camera in SIGHT.cameras:
            assert np.array_equal(found[camera], renderer.frames(states, camera).reshape(2, 2, 16, 16, 3))
    again = see_episodes(episodes, SIGHT, FrameCache(tmp_path)).take(chosen)
    assert drawn == [4, 4]
    assert np.array_equal(again["wrist"], found["wrist"])
    see_episodes(episodes, Sight(("wrist", "side"), 16), FrameCache(tmp_path))
    assert len(list(tmp_path.glob("*.npy"))) == 6  # one camera more


def test_other_states_models_cameras_and_sizes_are_other_pictures(
    episodes: list[Episode], tmp_path: Path, drawn: list[int]
) -> None:
    states, about = episodes[0].state, {"model": "a", "camera": "front", "size": 16}
    keys = {frame_key(states, {**about, **other}) for other in ({}, {"model": "b"}, {"camera": "c"}, {"size": 8})}
    moved = states.copy()
    moved[1, 3] = np.nextafter(moved[1, 3], 9)
    assert len({*keys, frame_key(moved, about), frame_key(states[:3], about)}) == 6
    see_episodes(episodes[:1], SIGHT, FrameCache(tmp_path))
    see_episodes([replace(episodes[0], state=moved)], SIGHT, FrameCache(tmp_path))
    assert drawn == [4, 4]


def test_damage_and_what_a_killed_process_left_do_no_harm(
    episodes: list[Episode], tmp_path: Path, drawn: list[int]
) -> None:
    see_episodes(episodes[:1], SIGHT, FrameCache(tmp_path))
    kept = sorted(tmp_path.glob("*.npy"))
    kept[0].write_bytes(kept[0].read_bytes()[:200])
    left = tmp_path / ".some.npy.1.partial"
    left.write_bytes(b"torn")
    os.utime(left, (0, 0))
    pictures = see_episodes(episodes[:1], SIGHT, FrameCache(tmp_path))
    assert drawn == [4, 4]
    assert not left.exists()
    assert pictures.take(np.arange(4))["front"].shape == (4, 16, 16, 3)


def test_the_folder_is_bounded_and_what_is_in_use_stays(episodes: list[Episode], tmp_path: Path) -> None:
    old = tmp_path / "old.npy"
    old.write_bytes(b"x" * 100_000)
    os.utime(old, (0, 0))
    see_episodes(episodes[:1], SIGHT, FrameCache(tmp_path, limit=10))
    assert not old.exists()
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_full_disk_is_said_before_anything_is_drawn(
    episodes: list[Episode], tmp_path: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robo_rlhf.core.files.RESERVE", 2**60)
    with pytest.raises(DiskFullError):
        see_episodes(episodes, SIGHT, FrameCache(tmp_path))
    assert drawn == []


def test_a_disk_that_fills_up_in_the_middle_loses_nothing_that_was_drawn(
    episodes: list[Episode], tmp_path: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frame_cache.write_atomic

    def full(path: Path, content: bytes) -> None:
        if len(list(tmp_path.glob("*.npy"))) == 2:
            raise DiskFullError(path, 1, 0)
        whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(frame_cache, "write_atomic", full)
        with pytest.raises(DiskFullError):
            see_episodes(episodes, SIGHT, FrameCache(tmp_path))
    assert drawn == [4, 4]
    assert len(see_episodes(episodes, SIGHT, FrameCache(tmp_path))) == 8  # once there is room
    assert drawn == [4, 4, 4]


def test_a_camera_in_which_nothing_varies_is_warned_of(episodes: list[Episode], tmp_path: Path) -> None:
    still = replace(episodes[0], state=np.repeat(episodes[0].state[:1], 4, axis=0))
    with pytest.warns(FileWarning, match="Nothing varies in what camera front shows"):
        see_episodes([still], Sight(("front",), 16), FrameCache(tmp_path))


def test_more_files_than_may_be_open(episodes: list[Episode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_cache, "OPEN_MAPS", 1)
    pictures = see_episodes(episodes, SIGHT, FrameCache(tmp_path))
    assert pictures.take(np.array([0, 7, 1, 6]))["wrist"].any()


def test_looks_are_other_pictures_the_same_for_the_same_states(
    episodes: list[Episode], tmp_path: Path, drawn: list[int]
) -> None:
    sight = Sight(("front",), 16, looks=4)
    plain = see_episodes(episodes[:1], Sight(("front",), 16), FrameCache(tmp_path)).take(np.arange(4))["front"]
    dressed = see_episodes(episodes[:1], sight, FrameCache(tmp_path)).take(np.arange(4))["front"]
    assert drawn == [4, 4]
    assert not any(np.array_equal(a, b) for a, b in zip(plain, dressed, strict=True))
    see_episodes(episodes[:1], sight, FrameCache(tmp_path))
    assert drawn == [4, 4]
    many = looks_of(np.zeros((400, 2)), 4)
    assert {look.seed for look in many} == {0, 1, 2, 3}
    with pytest.raises(InvalidValueError, match="--looks: expected episodes with states"):
        see_episodes([replace(episodes[0], state=np.zeros((4, 0)))], sight, FrameCache(tmp_path))
