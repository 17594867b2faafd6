"""By what an episode is shown and entered, for every kind of episode; and the frames that it then gives."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, NotAllowedError, NotNowError, UnknownNameError
from robo_rlhf.core.files import write_atomic
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import MIXED, Dataset
from robo_rlhf.data.layout import episode_path
from robo_rlhf.episodes.access import (
    NOT_EXACT,
    EpisodeAccess,
    Ways,
    access_of,
    modules_of,
    open_access,
    ways_of,
    why_not_yet,
)
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.rendering.video import encode_mp4

STEPS = 6
VIDEOS = {"top": Path("top.mp4")}


class Wave:
    """A policy that moves."""

    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def reset(self, num_envs: int) -> None:
        pass

    def act(self, obs: Array) -> Array:
        return np.full((len(obs), self.act_dim), 0.5, np.float32)


def record(task: str) -> Episode:
    env = make_env(task)
    episode = rollout(env, Wave(env.act_dim), np.array([3]), steps=STEPS)[0]
    env.close()
    return episode


@pytest.fixture(scope="module")
def native() -> Episode:
    return record("reach")


@pytest.fixture(scope="module")
def outside() -> Episode:
    return record("Reacher-v5")


@pytest.mark.parametrize(
    ("task", "size", "videos", "show", "enter", "reason"),
    [
        ("reach", 40, {}, "state", "state", ""),
        ("reach", 0, {}, None, None, "It holds no simulator states."),
        ("reach", 0, VIDEOS, "frames", None, "It holds no simulator states."),
        ("Reacher-v5", 0, {}, "replay", "replay", ""),
        ("Meta-World/MT1:door-open-v3@150", 0, {}, "replay", "replay", ""),
        ("lerobot/pusht", 0, VIDEOS, "frames", None, "It holds no simulator states."),
        (
            "antigravity:Reacher-v5",
            0,
            {},
            None,
            None,
            "The environment 'antigravity:Reacher-v5' is code of the module antigravity",
        ),
        ("my_tasks:PressButton", 40, {}, None, None, "The task 'my_tasks:PressButton' is code of the module my_tasks"),
        ("antigravity:Reacher-v5", 0, VIDEOS, "frames", None, "It holds no simulator states."),
    ],
)
def test_every_kind_of_episode_has_its_ways(
    task: str, size: int, videos: dict[str, Path], show: str | None, enter: str | None, reason: str
) -> None:
    ways = ways_of(task, size, videos)
    assert (ways.show, ways.enter) == (show, enter)
    assert ways.reason.startswith(reason)
    assert bool(ways.reason) == (show is None or enter is None)
    assert "antigravity" not in sys.modules


def test_a_module_is_named_before_an_id_and_not_after_it() -> None:
    assert modules_of("Pusher-v5") == modules_of("Meta-World/MT1:door-open-v3") == modules_of("reach@arm6") == []
    assert modules_of("os:A-v0") == modules_of("os:a/B-v0@50") == modules_of("os:a/B:c") == ["os"]
    assert modules_of("reach@os:A") == modules_of("os:A@arm6") == ["os"]
    assert modules_of("os:A@sys:B") == ["os", "sys"]


def test_frames_of_states_are_drawn_from_any_camera(native: Episode, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "ds", create=True, task=MIXED)
    dataset.add(native)
    access = open_access(episode_path(dataset.path, native.meta.id))
    assert np.array_equal(access.state(2), native.state[2])
    one, other = access.frame(0, "front", 64, 48), access.frame(0, "wrist", 64, 48)
    assert one.shape == (48, 64, 3)
    assert not np.array_equal(one, other)
    assert np.array_equal(access.frames([0, STEPS], width=64, height=48)[0], one)
    with pytest.raises(InvalidValueError, match=f"expected 0 to {STEPS}"):
        access.frame(STEPS + 1)


def test_an_outside_environment_is_drawn_from_its_states(outside: Episode) -> None:
    access = access_of(outside)
    assert access.ways == Ways("state", "state")
    assert np.array_equal(access.state(2), outside.state[2])
    front, above = (access.frames([0, STEPS], camera, 64, 48) for camera in ("front", "90,-89,1.5"))
    assert np.abs(front[0].astype(int) - front[-1]).max() > 30
    assert not np.array_equal(front, above)
    elsewhere = {**outside.meta.versions, "environment": "gymnasium 1.4.0, mujoco 3.3.0"}
    other = access_of(replace(outside, meta=replace(outside.meta, versions=elsewhere)))
    assert other.ways == Ways("replay", "replay"), "a recording of another MuJoCo"
    unfit = {**outside.meta.versions, "show": "replay", "enter": ""}
    other = access_of(replace(outside, meta=replace(outside.meta, versions=unfit)))
    assert other.ways == Ways("replay", None, NOT_EXACT)


def test_frames_of_an_outside_environment_are_replayed(outside: Episode) -> None:
    outside = replace(outside, state=outside.state[:, :0])
    access = access_of(outside)
    frames = access.frames([0, 2, STEPS], width=64, height=48)
    assert frames.shape == (3, 48, 64, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 30
    with pytest.raises(NotNowError, match="cannot be entered by a state"):
        access.state(0)
    other = access_of(replace(outside, obs=outside.obs + 0.5))
    with pytest.raises(InvalidValueError, match=r"off by up to 0\.5"):
        other.frame(1)


def test_recorded_frames_are_read(native: Episode, tmp_path: Path) -> None:
    colours = np.arange(STEPS + 1, dtype=np.uint8) * 30
    shown = np.broadcast_to(colours[:, None, None, None], (STEPS + 1, 48, 64, 3))
    write_atomic(tmp_path / "top.mp4", encode_mp4(shown, 10))
    bare = replace(native, state=native.state[:, :0])
    access = EpisodeAccess(bare.meta, 0, lambda: bare, {"top": tmp_path / "top.mp4"})
    frames = access.frames([1, 4], "front", 64, 48)
    assert np.abs(frames[:, 24, 32, 0].astype(int) - colours[[1, 4]]).max() <= 3
    with pytest.raises(UnknownNameError, match="camera"):
        access.frame(0, "side")


def test_what_cannot_be_shown_says_why(native: Episode) -> None:
    access = access_of(replace(native, state=native.state[:, :0]))
    with pytest.raises(NotNowError, match=r"cannot be shown\. It holds no simulator states"):
        access.frame(0)
    assert why_not_yet("reach") == why_not_yet("Reacher-v5") == ""
    with pytest.raises(NotAllowedError, match="code of the module antigravity"):
        why_not_yet("antigravity:Reacher-v5")
