"""Outside environments as a `VecEnv`: Gymnasium's own MuJoCo tasks, and small made-up ones for the corners."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Text

from robo_rlhf.core.errors import (
    EnvironmentFaultError,
    InvalidValueError,
    MissingDependencyError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
)
from robo_rlhf.core.types import Array, Episode, Policy, VecEnv
from robo_rlhf.data.training_arrays.observation_spread import starts_of
from robo_rlhf.rollouts.evaluation import Evaluation, evaluate
from robo_rlhf.rollouts.rollout import check_environment, rollout
from robo_rlhf.sim.external.ids import split_limit, split_task
from robo_rlhf.sim.external.replay import replay_frames
from robo_rlhf.sim.external.vec_env import ExternalVecEnv

MUJOCO = {
    "Pusher-v5": (23, 7, 100),
    "Reacher-v5": (10, 2, 50),
    "Hopper-v5": (11, 3, 1000),
    "HalfCheetah-v5": (17, 6, 1000),
}


class GoalEnv(gymnasium.Env[dict[str, Array], Array]):
    """Adds up its actions; over after `length` steps, where `length` is drawn from the seed."""

    observation_space = Dict(
        {
            "position": Box(-9, 9, (2, 2)),
            "goal": Box(-9, 9, (1,)),
            "nested": Dict({"b": Box(0, 1, ()), "a": Box(0, 1, ())}),
        }
    )
    action_space = Box(np.array([[0.0, -4.0]]), np.array([[2.0, 4.0]]), dtype=np.float64)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    lengths = (3, 7)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[str, Array], dict[str, object]]:
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(*self.lengths))
        self.time, self.position = 0, np.zeros((2, 2), np.float32)
        return self.observe(), {}

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, object]]:
        assert action in self.action_space
        assert self.time < self.length, "stepped after its end"
        self.time += 1
        self.position = self.position + action.astype(np.float32)
        return self.observe(), 1.0, self.time == self.length, False, {"is_success": self.time == self.length}

    def observe(self) -> dict[str, Array]:
        nested = {"a": np.array(0.25), "b": np.array(0.5)}
        return {"position": self.position, "goal": np.array([self.length], np.float32), "nested": nested}

    def render(self) -> Array:  # type: ignore[override]
        return np.full((4, 6, 3), self.time, np.uint8)


class NeverEnv(GoalEnv):
    def reset(self, *, seed: int | None = None, options: dict[str, object] | None = None) -> Any:
        raise RuntimeError("not today")


class OnlyHereEnv(GoalEnv):
    def __init__(self, render_mode: str | None = None) -> None:
        if "robo_rlhf.processes" in sys.orig_argv:
            raise OSError("no device is left")


class MakingEnv(GoalEnv):
    def __init__(self, render_mode: str | None = None) -> None:
        raise OSError("no device")


class HalfEnv(GoalEnv):
    action_space = Box(np.array([0.0, 2.0]), np.array([2.0, 2.0]), dtype=np.float64)


class StillEnv(GoalEnv):
    action_space = Box(0.0, 0.0, (2,), np.float64)


class TimelessEnv(GoalEnv):
    dt = -0.05


class WordyEnv(GoalEnv):
    action_space = Text(3)  # type: ignore[assignment]


class UnboundedEnv(GoalEnv):
    action_space = Box(-np.inf, np.inf, (2,))


class WordEnv(GoalEnv):
    observation_space = Dict({"word": Text(2)})  # type: ignore[assignment]


class RandomPolicy:
    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def reset(self, num_envs: int) -> None:
        self.rng, self.num_envs = np.random.default_rng(0), num_envs

    def act(self, obs: Array) -> Array:
        return self.rng.uniform(-1, 1, (self.num_envs, self.act_dim)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    for name in ("Wordy", "Unbounded", "Word", "Never", "OnlyHere", "Making", "Half", "Still", "Timeless"):
        gymnasium.register(f"Tests{name}-v0", entry_point=f"{__name__}:{name}Env", max_episode_steps=20)
    gymnasium.register("TestsGoal-v0", entry_point=f"{__name__}:GoalEnv", max_episode_steps=20)
    gymnasium.register("TestsEndless-v0", entry_point=f"{__name__}:GoalEnv")
    gymnasium.register("TestsFaulty-v0", entry_point=f"{__name__}:Faulty", max_episode_steps=20)


def play(env: VecEnv, seeds: list[int], actions: Array) -> list[Array]:
    """Return obs, reward, success and active over time for actions (T, act_dim), the same in every copy."""
    rows = [env.reset(np.array(seeds))]
    for action in actions:
        rows += list(env.step(np.repeat(action[None], env.num_envs, axis=0)))[:3]
    return rows


@pytest.mark.parametrize("name", MUJOCO)
def test_gymnasiums_own_tasks_keep_the_contract(name: str) -> None:
    env = ExternalVecEnv(name, 4)
    assert isinstance(env, VecEnv)
    assert (env.obs_dim, env.act_dim, env.horizon) == MUJOCO[name]
    assert env.control_dt == pytest.approx(gymnasium.make(name).unwrapped.dt)  # type: ignore[attr-defined]
    actions = np.random.default_rng(0).uniform(-1.2, 1.2, (25, env.act_dim))
    batch = play(env, [5, 6, 7, 5], actions)
    again = play(env, [5, 6, 7, 5], actions)
    single = play(ExternalVecEnv(name, 1), [7], actions)
    assert all(row.dtype in (np.float32, np.bool_) for row in batch)
    for one, two, alone in zip(batch, again, single, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one[0], one[3])
        assert np.array_equal(one[2], alone[0])
    env.close()


def test_workers_give_the_same_bit_for_bit() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (10, 7))
    here, there = ExternalVecEnv("Pusher-v5", 5, workers=0), ExternalVecEnv("Pusher-v5", 5, workers=2)
    for one, two in zip(play(here, [1, 2, 3, 4, 5], actions), play(there, [1, 2, 3, 4, 5], actions), strict=True):
        assert np.array_equal(one, two)
    there.close()
    there.close()


def test_ended_copies_repeat_and_are_not_stepped() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 6, workers=1)
    lengths = env.reset(np.arange(6))[:, 0].astype(int)
    assert len(set(lengths)) > 1
    steps = [env.step(np.full((6, 2), 0.5)) for _ in range(8)]
    active = np.array([step.active for step in steps])
    assert np.array_equal(active.sum(axis=0), lengths)
    assert np.array_equal(np.sum([step.reward for step in steps], axis=0), lengths)
    last = np.array([steps[n - 1].obs[i] for i, n in enumerate(lengths)])
    assert np.array_equal(steps[-1].obs, last)
    assert steps[-1].success.all()
    assert not steps[1].success.any()
    env.reset(np.arange(6))
    assert env.step(np.zeros((6, 2))).active.all()
    env.close()


def test_dictionaries_are_flattened_in_the_order_of_their_names() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 1)
    env.reset(np.array([0]))
    obs = env.step(np.array([[0.0, 1.0]], np.float32)).obs[0]
    assert obs[1:].tolist() == [0.25, 0.5, 1.0, 4.0, 1.0, 4.0]  # goal, nested a, nested b, position
    assert (env.obs_dim, env.act_dim, env.horizon, env.control_dt) == (7, 2, 20, 0.1)


def test_the_horizon_may_be_shorter_or_longer_than_the_time_limit() -> None:
    for horizon in (5, 130):
        env = ExternalVecEnv("Pusher-v5", 1, horizon=horizon)
        env.reset(np.array([0]))
        assert env.horizon == horizon
        assert all(env.step(np.zeros((1, 7))).active[0] for _ in range(horizon))
        assert not env.step(np.zeros((1, 7))).active[0]


def test_the_name_may_say_how_long_an_episode_is() -> None:
    for env in (ExternalVecEnv("Pusher-v5@5", 2), ExternalVecEnv("Pusher-v5@5", 2, workers=1)):
        episodes = rollout(env, RandomPolicy(7), np.arange(2))
        assert [len(e) for e in episodes] == [5, 5]
        assert {e.meta.task for e in episodes} == {"Pusher-v5@5"}
        env.close()
    assert ExternalVecEnv("Pusher-v5@5", 1, horizon=7).horizon == 7


def recorded(name: str, steps: int) -> Episode:
    env = ExternalVecEnv(name, 2)
    policy: Policy = RandomPolicy(env.act_dim)
    return rollout(env, policy, np.array([3, 4]), steps=steps)[1]


def test_clips_are_replays_of_the_actions() -> None:
    episode = recorded("TestsGoal-v0", 20)
    replay = replay_frames(episode)
    assert replay.deviation == 0.0
    assert replay.frames.shape == (len(episode) + 1, 4, 6, 3)
    assert replay.frames[:, 0, 0, 0].tolist() == list(range(len(episode) + 1))
    assert replay_frames(episode, range(1, 4, 2)).frames[:, 0, 0, 0].tolist() == [1, 3]
    assert replay_frames(episode.slice(1, len(episode) - 1)).deviation > 0.1
    with pytest.raises(InvalidValueError, match=r"frames of episode TestsGoal-v0-4: expected frames within 0 to"):
        replay_frames(episode, [0, 98])


def test_a_package_that_draws_and_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(self: object) -> None:
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed, run `pip install pygame`")

    episode = recorded("Pendulum-v1", 2)
    monkeypatch.setattr("gymnasium.envs.classic_control.pendulum.PendulumEnv.render", render)
    with pytest.raises(MissingDependencyError, match=r"^pygame is missing; drawing Pendulum-v1 needs it\."):
        replay_frames(episode)


def test_clips_of_a_mujoco_task() -> None:
    replay = replay_frames(recorded("Reacher-v5", 4), [2, 3, 4])
    assert replay.deviation == 0.0
    assert replay.frames.shape == (3, 480, 480, 3)
    assert replay.frames.std() > 5


def test_states_cannot_be_entered() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 2)
    assert env.get_state().shape == (2, 0)
    with pytest.raises(
        InvalidValueError, match="state of TestsGoal-v0: expected a recorded frame, with its observation"
    ):
        env.set_state(env.get_state())


def test_bad_actions_and_seeds_are_named() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 2)
    env.reset(np.arange(2))
    with pytest.raises(
        NonFiniteError, match=r"The action is not finite \(TestsGoal-v0, copies \[1\]\). The step was not"
    ):
        env.step(np.array([[0, 0], [np.nan, 0]]))
    with pytest.raises(ShapeError, match=r"action: expected shape \(2, 2\), got shape \(2, 3\)"):
        env.step(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"seeds: expected shape \(2\), got shape \(3,\)"):
        env.reset(np.arange(3))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("Pusher-v9", UnknownNameError, r"Unknown environment 'Pusher-v9'. Did you mean 'Pusher-v5'\?"),
        ("Pusher", UnknownNameError, r"Did you mean 'Pusher-v5'\?"),
        (
            "NoWorld/Thing-v0",
            MissingDependencyError,
            r"The namespace 'NoWorld' is missing; .* --env MODULE:NoWorld/Thing-v0",
        ),
        (
            "no_such_module:Thing-v0",
            MissingDependencyError,
            r"The package 'no_such_module' is missing; environment no_such",
        ),
        (
            "TestsWordy-v0",
            InvalidValueError,
            r"action space of TestsWordy-v0: expected boxes, Discrete, .*, got Text\(",
        ),
        (
            "TestsUnbounded-v0",
            InvalidValueError,
            r"expected a Box of floating-point numbers with finite bounds, got Box\(-inf",
        ),
        (
            "TestsWord-v0",
            InvalidValueError,
            r"observation space of TestsWord-v0\['word'\]: expected boxes, Discrete,",
        ),
        ("TestsEndless-v0", InvalidValueError, r"horizon of TestsEndless-v0: expected a number of steps"),
        ("robo_rlhf/Reach-v0:left", InvalidValueError, r"task of environment robo_rlhf/Reach-v0: expected none"),
        ("TestsStill-v0", InvalidValueError, r"action space of TestsStill-v0: .* actions 0 and 1 can only be 0;"),
        (
            "TestsTimeless-v0",
            InvalidValueError,
            r"time step of TestsTimeless-v0: expected 0.0001 .* got dt = -0.05",
        ),
        (
            "TestsMaking-v0",
            EnvironmentFaultError,
            r"^TestsMaking-v0 raised OSError in making .*: no device \(gymnasium .*\)\. Mend",
        ),
        ("Pusher-v5@0", InvalidValueError, r"steps of an episode in Pusher-v5@0: expected a number from 1"),
        ("Pusher-v5@half", InvalidValueError, r"expected a number from 1 after the @, got 'half'"),
    ],
)
def test_what_cannot_be_made_is_named(
    name: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBO_RLHF_ALLOW", "no_such_module")
    with pytest.raises(error, match=message):
        ExternalVecEnv(name, 1)


def test_a_missing_package_of_a_known_namespace_is_named() -> None:
    pytest.importorskip("mujoco", minversion="3.4")  # with an older one Meta-World may be there
    with pytest.raises(MissingDependencyError, match=r"'metaworld' is missing; .* Run: pip install metaworld"):
        ExternalVecEnv("Meta-World/MT1:button-press-v3", 1)


class Faulty(GoalEnv):
    """Goes wrong in the way that its seed names, at its third step or at its beginning."""

    lengths = (7, 8)
    WAYS: ClassVar[dict[str, Any]] = {
        "none": None,
        "raises": "raised ZeroDivisionError in step (test_vec_env.py:",
        "nan": "gave an observation with column 0 = nan, expected finite numbers",
        "shape": "gave an observation['goal'] of float32 (2,), expected real numbers, shape (1,)",
        "reward": "gave reward nan, expected a finite real number",
        "success": "gave success 'False', expected a bool, 0 or 1",
        "end": "gave terminated None, expected a bool, 0 or 1",
        "four": "raised ValueError in step (",  # Gymnasium's own wrapper takes five
        "start": "raised KeyError in reset (test_vec_env.py:",
        "start_shape": "gave an observation with ['goal'], expected an entry 'nested'",
    }

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[str, Array], dict[str, object]]:
        assert seed is not None
        self.way = list(self.WAYS)[seed % 100]
        obs, info = super().reset(seed=seed)
        if self.way == "start":
            raise KeyError("no such scene")
        return ({"goal": obs["goal"]} if self.way == "start_shape" else obs), info

    def step(self, action: Array) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        if self.time == 3:
            match self.way:
                case "raises":
                    raise ZeroDivisionError("the wheel came off")
                case "nan":
                    obs["goal"] = np.array([np.nan], np.float32)
                case "shape":
                    obs["goal"] = np.zeros(2, np.float32)
                case "reward":
                    return obs, np.nan, terminated, truncated, info
                case "success":
                    return obs, reward, terminated, truncated, {"success": "False"}
                case "end":
                    return obs, reward, None, truncated, info
                case "four":
                    return obs, reward, terminated, info
        return obs, reward, terminated, truncated, info

    def close(self) -> None:
        raise OSError("closed twice")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_ends_its_own_episode_and_says_why(workers: int, caplog: pytest.LogCaptureFixture) -> None:
    n = len(Faulty.WAYS)
    env = ExternalVecEnv("TestsFaulty-v0", n, workers=workers)
    whole = rollout(env, RandomPolicy(2), np.zeros(n, int))
    for _ in range(2):  # copies that had a fault are as good as new in the next episode
        found = rollout(env, RandomPolicy(2), np.arange(n))
        for way, said, episode, other in zip(Faulty.WAYS, Faulty.WAYS.values(), found, whole, strict=True):
            if way == "none":
                assert (episode.meta.note, episode.meta.outcome, len(episode)) == ("", "success", 7)
                continue
            steps = 0 if way.startswith("start") else 2
            assert episode.meta.note.startswith(f"aborted at step {steps}: TestsFaulty-v0 {said}")
            assert (episode.meta.outcome, len(episode), episode.reward.sum()) == ("aborted", steps, steps)
            assert not episode.success.any()
            assert np.array_equal(episode.obs[1:], other.obs[1 : steps + 1])
        assert np.array_equal(rollout(env, RandomPolicy(2), np.zeros(n, int))[3].obs, whole[3].obs)
    with caplog.at_level("WARNING"):
        env.close()
    assert workers or "TestsFaulty-v0 raised OSError in close (test_vec_env.py:" in caplog.text


def test_values_repeat_after_a_fault() -> None:
    env = ExternalVecEnv("TestsFaulty-v0", 2)
    env.reset(np.array([2, 0]))  # nan
    before, *after = [env.step(np.ones((2, 2))) for _ in range(4)][1:]
    assert [step.active.tolist() for step in (before, *after)] == [[True, True], [False, True], [False, True]]
    assert not before.faults
    assert env.faults == after[1].faults == {0: "TestsFaulty-v0 " + Faulty.WAYS["nan"] + ", as float32"}
    for step in after:
        assert np.array_equal(step.obs[0], before.obs[0])
        assert (step.reward[0], step.success[0]) == (0, False)
    env.reset(np.array([0, 0]))
    assert not env.faults


def test_where_every_episode_has_a_fault_one_sentence_says_so() -> None:
    env = ExternalVecEnv("TestsFaulty-v0", 2)
    wanted = r"^All 3 episodes of TestsFaulty-v0 ended by a fault .* first was aborted at step 2: .* nan,.*\. Mend the"
    with pytest.raises(EnvironmentFaultError, match=wanted):
        evaluate(env, RandomPolicy(2), np.array([2, 102, 8]))
    found = evaluate(env, RandomPolicy(2), np.array([2, 100, 8]))
    assert (found.aborted, found.success_end, found.success_any) == (2, (False, True, False), (False, True, False))
    assert found.warning.startswith("2 of 3 episodes count as failures: the first was aborted at step 2: TestsFaulty")
    assert Evaluation.from_json(json.loads(json.dumps(found.to_json()))) == found
    check_environment([], env.name)


def test_starts_are_those_of_copies_that_can_start() -> None:
    env = ExternalVecEnv("TestsFaulty-v0", len(Faulty.WAYS))
    assert starts_of(env).shape == (len(Faulty.WAYS) - 2, 7)
    broken = ExternalVecEnv("TestsNever-v0", 2)
    with pytest.raises(
        EnvironmentFaultError, match=r"No episode can start: TestsNever-v0 raised RuntimeError in reset"
    ):
        starts_of(broken)


def test_a_worker_process_that_dies_costs_its_episodes_and_is_started_again() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 4, workers=1)
    first = play(env, [1, 2, 3, 4], np.zeros((2, 2)))
    env._remote[0].send("reset", np.array([8, 9]))  # as if Ctrl-C came before its answer
    assert np.array_equal(env.reset(np.array([1, 2, 3, 4])), first[0])
    before = env.step(np.zeros((4, 2)))
    pid = env._remote[0]._worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    step = env.step(np.zeros((4, 2)))
    assert step.faults == dict.fromkeys((2, 3), "TestsGoal-v0: its worker process ended (killed by signal 9)")
    assert step.active.tolist() == [True, True, False, False]
    assert np.array_equal(step.obs[2:], before.obs[2:])
    assert env.step(np.zeros((4, 2))).faults == step.faults
    for one, two in zip(first, play(env, [1, 2, 3, 4], np.zeros((2, 2))), strict=True):
        assert np.array_equal(one, two)
    env.close()


def test_what_cannot_be_made_in_a_worker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    env = ExternalVecEnv("TestsOnlyHere-v0", 2, workers=1)
    with pytest.raises(
        EnvironmentFaultError, match=r"cannot be made in a worker process\. TestsOnlyHere-v0 raised OSError"
    ):
        env.reset(np.arange(2))
    env.close()


def test_actions_that_do_nothing_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        ExternalVecEnv("TestsHalf-v0", 1).close()
    assert caplog.messages == ["TestsHalf-v0: the bounds of action columns [1] leave no room; they do nothing"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"render": lambda self: np.zeros((4, 6, 3))}, r"gave a picture of float64 \(4, 6, 3\), expected uint8"),
        (
            {"render": lambda self: np.zeros((4 + self.time, 6, 3), np.uint8)},
            r".* \(5, 6, 3\), expected \(4, 6, 3\) as",
        ),
        ({"render": lambda self: None}, r"gave a picture None, expected uint8"),
        ({"render": lambda self: 1 / 0}, r"raised ZeroDivisionError in a replay \(test_vec_env.py:"),
        ({"observe": lambda self: {"goal": 0}}, r"gave an observation\['goal'\] of int64 \(\)"),
    ],
)
def test_clips_of_what_goes_wrong_are_refused(
    change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = recorded("TestsGoal-v0", 4)
    for name, value in change.items():
        monkeypatch.setattr(GoalEnv, name, value)
    with pytest.raises(EnvironmentFaultError, match=f"^TestsGoal-v0 {message}.*No clip can be drawn of it"):
        replay_frames(episode)


def test_ids_and_tasks() -> None:
    assert split_task("Pusher-v5") == ("Pusher-v5", "")
    assert split_task("mine:Thing-v0") == ("mine:Thing-v0", "")
    assert split_task("mine:my/Thing-v0") == ("mine:my/Thing-v0", "")
    assert split_task("mine:my/Thing-v0:left") == ("mine:my/Thing-v0", "left")
    assert split_limit("mine:my/Thing-v0:left@20") == ("mine:my/Thing-v0:left", 20)


def test_what_mujoco_says_of_a_model_goes_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        ExternalVecEnv("HalfCheetah-v5", 1).close()
    assert caplog.messages  # its model is written for an older MuJoCo
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
