"""Pictures in the observations of outside environments, as cameras: of running copies, and of recorded episodes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict

from robo_rlhf.algorithms.sight_options import SightOptions
from robo_rlhf.core.errors import InvalidValueError, NotNowError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.policies.built_in import BuiltInPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from robo_rlhf.training import bc
from robo_rlhf.vision.episode_pictures import see_episodes
from robo_rlhf.vision.frame_cache import FrameCache
from robo_rlhf.vision.observer import CameraObserver
from robo_rlhf.vision.sight import Sight

SHAPE = (20, 24, 3)
SIGHT = Sight(("pixels",), 16)
WRONG = {
    "first": Box(0, 255, (3, 20, 24), np.uint8),
    "four": Box(0, 255, (20, 24, 4), np.uint8),
    "depth": Box(0, 255, (20, 24, 1), np.uint8),
    "flat": Box(0, 255, (20, 24), np.uint8),
    "floats": Box(0, 255, SHAPE, np.float32),
}


class Screen(gymnasium.Env[Any, Any]):
    """Shows how often it was stepped, and its last action, as brightness; and is wrong in a way from step 2 on."""

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012 - declared so by gymnasium.Env

    def __init__(self, *, alone: bool = False, wrong: str = "") -> None:
        picture = Box(0, 255, SHAPE, np.uint8)
        self.alone, self.wrong = alone, wrong
        beside = Dict(
            {"pixels": picture, "hand": Box(-1, 1, (2,)), **({wrong: WRONG[wrong]} if wrong in WRONG else {})}
        )
        self.observation_space = picture if alone else beside
        self.action_space = Box(-1, 1, (1,))

    def seen(self) -> Any:
        picture = np.full(SHAPE, 40 + 10 * self.steps + 10 * self.last, np.uint8)
        if self.steps >= 2 and self.wrong == "size":
            picture = picture[:10]
        if self.steps >= 2 and self.wrong == "float":
            picture = picture.astype(np.float32)
        hand = np.full(2, self.last, np.float32)
        extra = {self.wrong: WRONG[self.wrong].sample()} if self.wrong in WRONG else {}
        return picture if self.alone else {"pixels": picture, "hand": hand, **extra}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.last = 0, float(self.np_random.uniform())
        return self.seen(), {}

    def step(self, action: Array) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps, self.last = self.steps + 1, float(action[0])
        return self.seen(), 0.0, False, False, {}


def registered() -> None:
    for name in ("", "Alone", *map(str.title, ("size", "float", *WRONG))):
        about = {"alone": True} if name == "Alone" else {"wrong": name.lower()}
        gymnasium.register(f"TestsScreen{name}-v0", f"{__name__}:Screen", max_episode_steps=4, kwargs=about)


registered()  # in each process that imports it


@pytest.fixture(params=["TestsScreen-v0", "TestsScreenAlone-v0"])
def env(request: pytest.FixtureRequest) -> Iterator[ExternalVecEnv]:
    """Three copies."""
    made = ExternalVecEnv(request.param, 3)
    yield made
    made.close()


def test_policies_see_the_same_while_they_act_and_when_they_learn(env: ExternalVecEnv, tmp_path: Path) -> None:
    assert env.obs_dim == (0 if "Alone" in env.name else 2)
    seen: list[Array] = []

    class Looking(BuiltInPolicy):
        def act(self, obs: Array) -> Array:
            seen.append(observer.observe(obs).pictures["pixels"])
            return super().act(obs)

    observer = CameraObserver(env, SIGHT)
    episodes = rollout(env, Looking("random", 1), np.array([5, 6, 7]))
    pictures = see_episodes(episodes, SIGHT, FrameCache(tmp_path)).take(np.arange(15).reshape(3, 5))["pixels"]
    assert np.array_equal(pictures[:, :4], np.stack(seen, 1))
    assert len(np.unique(pictures[:, :, 8, 8, 0])) > 8  # they differ


def test_pictures_of_processes_and_of_copies_here_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBO_RLHF_ALLOW", __name__)
    both = ExternalVecEnv(f"{__name__}:TestsScreen-v0", 3, workers=1)
    both.reset(np.arange(3))
    alone = ExternalVecEnv("TestsScreen-v0", 3, workers=0)
    alone.reset(np.arange(3))
    assert np.array_equal(both.pictures()["pixels"], alone.pictures()["pixels"])
    both.close()
    alone.close()


def test_a_policy_is_cloned_from_pictures_alone(tmp_path: Path) -> None:
    env = ExternalVecEnv("TestsScreenAlone-v0", 2)
    episodes = rollout(env, BuiltInPolicy("random", 1), np.array([1, 2]))
    settings = {"policy": "gaussian", "settings": {"width": 8}, "cameras": ["pixels"], "size": 16}
    config = bc.Config(policy="visual", settings=settings, updates=2, batch=4)
    learner = bc.BCLearner(config, episodes, pictures=see_episodes(episodes, SIGHT, FrameCache(tmp_path)))
    learner.advance()
    policy = learner.finish()
    policy.look_at(env)
    assert policy.act(env.reset(np.array([3, 4]))).shape == (2, 1)
    with pytest.raises(InvalidValueError, match=r"not videos alone; or --cameras, which shows them, got .* 0 columns"):
        bc.BCLearner(replace(config, policy="gaussian", settings={"width": 8}), episodes)
    env.close()


@pytest.mark.parametrize(("wrong", "given"), [("size", r"uint8 \(10, 24, 3\)"), ("float", r"float32 \(20, 24, 3\)")])
def test_pictures_that_change_end_the_episode_with_a_sentence(wrong: str, given: str) -> None:
    env = ExternalVecEnv(f"TestsScreen{wrong.title()}-v0", 1)
    env.reset(np.array([0]))
    before = env.step(np.zeros((1, 1), np.float32))
    assert not before.faults
    after = env.step(np.zeros((1, 1), np.float32))
    fault = f"{env.name} gave a picture['pixels'] of {given}, expected uint8 (20, 24, 3), as its space says"
    assert after.faults[0] == fault.replace("\\", "")
    assert env.pictures()["pixels"].shape == (1, *SHAPE)  # the last that it gave
    env.close()


@pytest.mark.parametrize(
    ("camera", "given"),
    [
        ("first", r"uint8 \(3, 20, 24\), channels first"),
        ("four", r"uint8 \(20, 24, 4\), 4 channels"),
        ("depth", r"uint8 \(20, 24, 1\), one channel: depth, or grey"),
        ("flat", r"uint8 \(20, 24\), one channel: depth, or grey"),
        ("floats", r"float32 \(20, 24, 3\), not bytes"),
    ],
)
def test_what_is_no_camera_is_refused_at_the_door(camera: str, given: str) -> None:
    task = f"TestsScreen{camera.title()}-v0"
    with pytest.raises(InvalidValueError, match=rf"camera {camera}: expected uint8 \(height, width, 3\), got {given}"):
        SightOptions(cameras=camera).check_sight(task)
    SightOptions(cameras="pixels").check_sight(task)
    with pytest.raises(UnknownNameError, match="Did you mean 'pixels'"):
        SightOptions(cameras="pixel").check_sight(task)


def test_what_is_not_observed_cannot_be_seen_of_an_environment_without_states() -> None:
    env = ExternalVecEnv("TestsScreen-v0", 1)
    with pytest.raises(NotNowError, match=r"what front shows is not drawn from states.*It observes pixels"):
        CameraObserver(env, Sight(("front", "pixels"), 16))
    env.close()


def test_looks_are_for_what_is_drawn(tmp_path: Path) -> None:
    env = ExternalVecEnv("TestsScreen-v0", 1)
    episodes = rollout(env, BuiltInPolicy("random", 1), np.array([1]))
    with pytest.raises(InvalidValueError, match="--looks: expected episodes with states"):
        see_episodes(episodes, replace(SIGHT, looks=2), FrameCache(tmp_path))
    env.close()
