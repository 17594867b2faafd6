"""Outside environments as a `VecEnv`: Gymnasium's own MuJoCo tasks, and small made-up ones for the corners."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from hypothesis import given
from hypothesis import strategies as st

from robo_rlhf.errors import InvalidValueError, MissingDependencyError, NonFiniteError, ShapeError, UnknownNameError
from robo_rlhf.rollout import rollout
from robo_rlhf.sim.external import ExternalVecEnv
from robo_rlhf.sim.external_clips import replay_frames
from robo_rlhf.sim.external_copies import scale
from robo_rlhf.sim.external_ids import split_limit, split_task
from robo_rlhf.types import Array, Episode, Policy, VecEnv

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


class Refusing(GoalEnv):
    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, object]]:
        raise ZeroDivisionError("the wheel came off")


class DiscreteEnv(GoalEnv):
    action_space = Discrete(3)  # type: ignore[assignment]


class UnboundedEnv(GoalEnv):
    action_space = Box(-np.inf, np.inf, (2,))


class WordEnv(GoalEnv):
    observation_space = Dict({"word": Discrete(2)})  # type: ignore[assignment]


class RandomPolicy:
    def __init__(self, act_dim: int) -> None:
        self.act_dim = act_dim

    def reset(self, num_envs: int) -> None:
        self.rng, self.num_envs = np.random.default_rng(0), num_envs

    def act(self, obs: Array) -> Array:
        return self.rng.uniform(-1, 1, (self.num_envs, self.act_dim)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    for name, limit in [
        ("Goal", 20),
        ("Endless", None),
        ("Refusing", 20),
        ("Discrete", 20),
        ("Unbounded", 20),
        ("Word", 20),
    ]:
        kind = "GoalEnv" if name in ("Goal", "Endless") else name if name == "Refusing" else f"{name}Env"
        gymnasium.register(f"Tests{name}-v0", entry_point=f"{__name__}:{kind}", max_episode_steps=limit)


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


@given(st.floats(-1, 1), st.floats(-1e3, 1e3), st.floats(0.1, 1e3))
def test_actions_fill_the_bounds_and_never_pass_them(action: float, low: float, width: float) -> None:
    box = Box(low, low + width, (1,), np.float64)
    assert scale(box, np.array([[action]]))[0] in box
    assert scale(box, np.array([[-1.0], [1.0]])).ravel().tolist() == [box.low[0], box.high[0]]


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
    assert replay_frames(episode, 1, 4, 2).frames[:, 0, 0, 0].tolist() == [1, 3]
    assert replay_frames(episode.slice(1, len(episode) - 1)).deviation > 0.1
    with pytest.raises(InvalidValueError, match=r"frames of episode TestsGoal-v0-4: expected frames within 0 to"):
        replay_frames(episode, 0, 99)


def test_a_package_that_draws_and_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(self: object) -> None:
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed, run `pip install pygame`")

    episode = recorded("Pendulum-v1", 2)
    monkeypatch.setattr("gymnasium.envs.classic_control.pendulum.PendulumEnv.render", render)
    with pytest.raises(MissingDependencyError, match=r"^pygame is missing; drawing Pendulum-v1 needs it\."):
        replay_frames(episode)


def test_clips_of_a_mujoco_task() -> None:
    replay = replay_frames(recorded("Reacher-v5", 4), 2)
    assert replay.deviation == 0.0
    assert replay.frames.shape == (3, 480, 480, 3)
    assert replay.frames.std() > 5


def test_states_cannot_be_entered() -> None:
    env = ExternalVecEnv("TestsGoal-v0", 2)
    assert env.get_state().shape == (2, 0)
    with pytest.raises(
        InvalidValueError, match="state of TestsGoal-v0: expected none: outside environments only start"
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
            "TestsDiscrete-v0",
            InvalidValueError,
            r"action space of TestsDiscrete-v0: expected a Box of .*, got Discrete\(3\)",
        ),
        (
            "TestsUnbounded-v0",
            InvalidValueError,
            r"expected a Box of floating-point numbers with finite bounds, got Box\(-inf",
        ),
        (
            "TestsWord-v0",
            InvalidValueError,
            r"observation space of TestsWord-v0\['word'\]: expected a Box, or a Dict of Boxes",
        ),
        ("TestsEndless-v0", InvalidValueError, r"horizon of TestsEndless-v0: expected a number of steps"),
        ("robo_rlhf/Reach-v0:left", InvalidValueError, r"task of environment robo_rlhf/Reach-v0: expected none"),
        ("Pusher-v5@0", InvalidValueError, r"steps of an episode in Pusher-v5@0: expected a number from 1"),
        ("Pusher-v5@half", InvalidValueError, r"expected a number from 1 after the @, got 'half'"),
    ],
)
def test_what_cannot_be_made_is_named(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ExternalVecEnv(name, 1)


def test_a_missing_package_of_a_known_namespace_is_named() -> None:
    pytest.importorskip("mujoco", minversion="3.4")  # with an older one Meta-World may be there
    with pytest.raises(MissingDependencyError, match=r"'metaworld' is missing; .* Run: pip install metaworld"):
        ExternalVecEnv("Meta-World/MT1:button-press-v3", 1)


def test_a_failure_in_a_worker_tells_what_happened() -> None:
    env = ExternalVecEnv("TestsRefusing-v0", 2, workers=1)
    env.reset(np.arange(2))
    with pytest.raises(ZeroDivisionError, match="the wheel came off"):
        env.step(np.zeros((2, 2)))  # in this process, as it is
    with pytest.raises(RuntimeError, match=r"(?s)TestsRefusing-v0 failed in its worker process:.*the wheel came off"):
        env._remote[0].receive()
    with pytest.raises(ZeroDivisionError):
        env.step(np.zeros((2, 2)))
    assert env.reset(np.arange(2)).shape == (2, 7)  # the answer that was not read is not taken for this one
    env._remote[0]._process.kill()
    with pytest.raises(RuntimeError, match=r"The worker process of TestsRefusing-v0 has ended \(exit code -9\)"):
        env._remote[0].receive()
    env.close()


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
