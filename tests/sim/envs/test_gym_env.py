"""Gymnasium's forms of a task, mostly over the toy world; the native tasks pass Gymnasium's own checker."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from robo_rlhf.core.errors import InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.core.types import Array
from robo_rlhf.sim.envs.gym_env import GymEnv
from robo_rlhf.sim.envs.gym_vector import GymVectorEnv
from robo_rlhf.sim.envs.registration import gym_id, register_tasks, task_files
from robo_rlhf.sim.tasks import TASKS
from tests.toy import MAX_SPEED, ToyEnv

MODES = list(AutoresetMode)


class ToyBatch(ToyEnv):
    """The toy world with what the Gymnasium forms need besides."""

    model = None
    horizon = 12

    def reset_at(self, ids: Array, seeds: Array) -> Array:
        state = self.get_state()
        others = ToyEnv(len(ids))
        others.reset(seeds)
        state[ids] = others.get_state()
        return self.set_state(state)[ids]


@pytest.fixture
def unbounded() -> Iterator[None]:
    """Let the checker say that observations have no bounds: that is meant, as in Gymnasium's own MuJoCo tasks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Box observation space m..imum value is -?infinity.*")
        yield


def towards_goal(obs: Array) -> Array:
    return np.clip((obs[:, 4:] - obs[:, :2]) / MAX_SPEED, -1, 1)


def assert_same(left: object, right: object) -> None:
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, np.ndarray) and left.dtype == object:
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert np.array_equal(left, right)


def test_ids_come_from_task_files() -> None:
    assert gym_id("pick_place") == "robo_rlhf/PickPlace-v0"
    assert "__init__" not in task_files()
    register_tasks()
    assert all(gym_id(name) in gymnasium.registry for name in task_files())


def test_importing_the_package_registers_tasks_without_torch_or_mujoco() -> None:
    code = (
        "import sys, gymnasium, robo_rlhf;"
        "assert 'robo_rlhf/PickPlace-v0' in gymnasium.registry;"
        "print([name for name in ('torch', 'mujoco', 'cv2', 'robo_rlhf.sim.tasks') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_id_may_name_the_module_to_import() -> None:
    code = "import gymnasium; gymnasium.make('robo_rlhf:robo_rlhf/Reach-v0').reset(seed=1)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("task", task_files())
@pytest.mark.usefixtures("unbounded")
def test_every_task_passes_gymnasiums_checker(task: str) -> None:
    env = gymnasium.make(gym_id(task), render_mode="rgb_array", width=64, height=48)
    check_env(env.unwrapped)
    picture = env.unwrapped.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (48, 64, 3)
    env.close()


def test_task_names_are_those_that_register() -> None:
    assert list(task_files()) == list(TASKS)


@pytest.mark.parametrize("task", ["reach", "pick_place"])
def test_native_batch_equals_native_singles_bit_for_bit(task: str) -> None:
    batch = gymnasium.make_vec(gym_id(task), num_envs=3, max_episode_steps=7)
    singles = gymnasium.make_vec(gym_id(task), num_envs=3, max_episode_steps=7, vectorization_mode="sync")
    assert isinstance(batch, GymVectorEnv)
    assert_same(batch.reset(seed=3)[0], singles.reset(seed=3)[0])
    batch.action_space.seed(0)
    for _ in range(16):
        actions = batch.action_space.sample()
        for one, other in zip(batch.step(actions), singles.step(actions), strict=True):
            assert_same(one, other)
    batch.close()
    singles.close()


def test_native_batch_draws_every_copy() -> None:
    env = gymnasium.make_vec("robo_rlhf/Reach-v0", num_envs=2, render_mode="rgb_array", width=64, height=48)
    env.reset(seed=0)
    frames = env.render()
    assert frames is not None
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert not np.array_equal(frames[0], frames[1])
    assert env.metadata["render_fps"] == 20
    env.close()
    assert GymVectorEnv(ToyBatch(2)).render() is None


@pytest.mark.slow
def test_stable_baselines_trains_on_reach() -> None:
    """PPO of Stable-Baselines3 comes much nearer to the marker than it began."""
    sb3 = pytest.importorskip("stable_baselines3", reason="in the extra `bench`")
    make_vec_env = pytest.importorskip("stable_baselines3.common.env_util").make_vec_env
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    vec = make_vec_env("robo_rlhf/Reach-v0", n_envs=8, seed=0)
    model = sb3.PPO("MlpPolicy", vec, n_steps=60, batch_size=240, n_epochs=8, learning_rate=1e-3, seed=0, device="cpu")
    before = mean_reward(model, vec)
    model.learn(40_000)
    after = mean_reward(model, vec)
    vec.close()
    print(f"mean reward a step: {before:.2f} before, {after:.2f} after")
    assert after > before + 0.2


def mean_reward(model: Any, vec: Any) -> float:
    """Return the mean reward a step over one episode in each copy."""
    vec.seed(1000)
    obs, total = vec.reset(), 0.0
    for _ in range(60):
        obs, reward, _, _ = vec.step(model.predict(obs, deterministic=True)[0])
        total += float(reward.mean())
    return total / 60


def test_single_truncates_at_the_horizon_and_never_terminates() -> None:
    env = GymEnv(ToyBatch(1))
    obs, _ = env.reset(seed=3)
    ends = []
    for _ in range(12):
        obs, reward, terminated, truncated, info = env.step(towards_goal(obs[None])[0])
        ends.append((terminated, truncated))
        assert isinstance(reward, float)
        assert isinstance(info["success"], bool)
        assert info["ee_pos"].shape == (3,)
    assert ends == [(False, False)] * 11 + [(False, True)]


def test_single_first_episode_is_that_of_the_seed_and_later_ones_go_on_from_it() -> None:
    env, batch = GymEnv(ToyBatch(1)), ToyBatch(1)
    first, _ = env.reset(seed=7)
    later = [env.reset()[0] for _ in range(3)]
    assert np.array_equal(first, batch.reset(np.array([7]))[0])
    assert not np.array_equal(later[0], first)
    env.reset(seed=7)
    assert np.array_equal(later, [env.reset()[0] for _ in range(3)])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("terminate", [False, True])
def test_vector_equals_single_environments_bit_for_bit(mode: AutoresetMode, terminate: bool) -> None:
    singles = SyncVectorEnv(
        [lambda: GymEnv(ToyBatch(1), terminate_on_success=terminate) for _ in range(5)], autoreset_mode=mode
    )
    batch = GymVectorEnv(ToyBatch(5), autoreset_mode=mode, terminate_on_success=terminate)
    obs, info = batch.reset(seed=0)
    assert_same((obs, info)[0], singles.reset(seed=0)[0])
    seen = 0
    for _ in range(40):
        actions = towards_goal(obs).astype(np.float32)
        expected = singles.step(actions)
        obs, reward, terminated, truncated, info = batch.step(actions)
        for one, other in zip((obs, reward, terminated, truncated, info), expected, strict=True):
            assert_same(one, other)
        seen += int((terminated | truncated).sum())
    assert seen > 10


def test_vector_without_autoreset_waits_for_a_partial_reset() -> None:
    env = GymVectorEnv(ToyBatch(4), autoreset_mode="Disabled", max_episode_steps=5)
    env.reset(seed=0)
    for _ in range(5):
        obs, _, _, truncated, _ = env.step(np.zeros((4, 2)))
    assert truncated.all()
    with pytest.raises(
        InvalidValueError, match=r"step: expected running copies only; .*, got ended copies \[0, 1, 2, 3\]"
    ):
        env.step(np.zeros((4, 2)))
    again, _ = env.reset(seed=9, options={"reset_mask": np.array([True, False, True, False])})
    assert np.array_equal(again[[1, 3]], obs[[1, 3]])
    assert np.array_equal(again[[0, 2]], ToyBatch(2).reset(np.array([9, 11])))
    with pytest.raises(InvalidValueError, match=r"got ended copies \[1, 3\]"):
        env.step(np.zeros((4, 2)))


def test_vector_takes_one_seed_a_copy() -> None:
    env = GymVectorEnv(ToyBatch(3))
    obs, _ = env.reset(seed=[5, None, 6])
    assert np.array_equal(obs[[0, 2]], ToyBatch(2).reset(np.array([5, 6])))
    with pytest.raises(ShapeError, match=r"seed: expected shape \(3\), got shape \(2,\)"):
        env.reset(seed=[1, 2])


def test_returned_arrays_are_the_callers() -> None:
    env = GymVectorEnv(ToyBatch(3))
    obs, _ = env.reset(seed=0)
    kept = obs.copy()
    following = env.step(np.ones((3, 2)))[0]
    assert np.array_equal(obs, kept)
    following[:] = 0
    assert not np.array_equal(env.step(np.ones((3, 2)))[0], following)


def test_mistakes_are_named() -> None:
    with pytest.raises(InvalidValueError, match=r"render_mode: expected None or one of: rgb_array, got 'ansi'"):
        GymEnv(ToyBatch(1), render_mode="ansi")
    with pytest.raises(InvalidValueError, match=r"autoreset_mode: expected one of: 'NextStep', .* got 'never'"):
        GymVectorEnv(ToyBatch(2), autoreset_mode="never")
    with pytest.raises(InvalidValueError, match="action: expected real numbers, got an array of <U1"):
        gymnasium.make("robo_rlhf/Push-v0").unwrapped.step(["1", "0"])
    with pytest.raises(ShapeError, match=r"action: expected shape \(2\), got shape \(3,\)"):
        GymEnv(ToyBatch(1)).step(np.zeros(3))
    with pytest.raises(InvalidValueError, match=r"reset_mask'\]: expected bool \(2,\), got int64 \(2,\)"):
        GymVectorEnv(ToyBatch(2)).reset(options={"reset_mask": np.array([1, 0])})
    with pytest.raises(UnknownNameError, match="Did you mean 'reach'"):
        GymEnv("raech")
    with pytest.raises(gymnasium.error.NameNotFound, match="Did you mean: `PickPlace`"):
        gymnasium.make("robo_rlhf/PickPlaec-v0")


def test_robot_is_chosen_by_a_keyword() -> None:
    env = gymnasium.make(gym_id("lift"), robot="arm6")
    many = gymnasium.make_vec(gym_id("lift"), num_envs=2, robot="arm6")
    obs, _ = env.reset(seed=4)
    batch = GymEnv("lift@arm6")
    assert np.array_equal(obs, batch.reset(seed=4)[0])
    assert np.array_equal(many.reset(seed=3)[0][1], obs)
    assert env.unwrapped.batch.name == "lift@arm6"  # type: ignore[attr-defined]
    with pytest.raises(UnknownNameError, match="Unknown robot 'arm66'"):
        GymEnv("lift", robot="arm66")
    with pytest.raises(InvalidValueError, match="robot: expected none: the batch of lift@arm6 has its robot"):
        GymEnv(batch.batch, robot="arm6")
