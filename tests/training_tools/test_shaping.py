"""Rewards that are sums of terms, in fine-tuning."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError, UnknownNameError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Step
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.training import ppo
from robo_rlhf.training_tools.experience import EpisodeBatch
from robo_rlhf.training_tools.shaping import RewardObjective, on_axis
from tests.toy import ToyEnv
from tests.training.test_ppo import SHORT, Wrong, closeness, short, traces


class Named(ToyEnv):
    """The toy world with terms, as a native task has them."""

    def reward_terms(self) -> dict[str, Array]:
        return {"near": 1 - np.tanh(self._distance()), "far": np.tanh(self._distance())}


def weighted(text: str, **changes: Any) -> ppo.Config:
    return dataclasses.replace(SHORT, objective=text, **changes)


def test_the_learned_reward_alone_is_the_default_and_is_logged_as_ever(tmp_path: Path) -> None:
    plain, written = short(tmp_path / "plain"), short(tmp_path / "written", weighted("1 * learned"))
    assert traces(plain) == traces(written)
    assert not [name for name in plain.metrics()[0] if name.startswith("reward/")]


def test_every_term_is_logged_and_they_add_up(tmp_path: Path) -> None:
    run = short(tmp_path, weighted("learned + 0.5 * task - success + 2 * distance(of=[0, 1], to=[4, 5])"))
    for row in run.metrics():
        parts = {name: value for name, value in row.items() if name.startswith("reward/")}
        assert set(parts) == {
            *("reward/learned", "reward/task", "reward/success", "reward/distance(of=[0, 1], to=[4, 5])")
        }
        assert row["reward"] == pytest.approx(sum(parts.values()), abs=1e-5)


def test_the_task_reward_is_what_the_environment_gave(tmp_path: Path) -> None:
    """The toy world's reward is what `closeness` computes from its observations."""
    asked = short(tmp_path / "task", weighted("task"))
    given = short(tmp_path / "learned")
    for row, same in zip(asked.metrics(), given.metrics(), strict=True):
        assert row["reward"] == pytest.approx(same["reward"], abs=1e-6)


def test_a_reward_that_names_the_task_does_read_it(tmp_path: Path) -> None:
    def poison(step: Step) -> Step:
        return step._replace(reward=np.zeros_like(step.reward))

    clean = short(tmp_path / "clean", weighted("learned + task"))
    poisoned = short(tmp_path / "poisoned", weighted("learned + task"), env=Wrong(8, poison))
    assert traces(clean) != traces(poisoned)


def test_success_is_not_read_where_only_the_task_reward_is_named(tmp_path: Path) -> None:
    def poison(step: Step) -> Step:
        return step._replace(success=~step.success)

    clean = short(tmp_path / "clean", weighted("learned + task"))
    poisoned = short(tmp_path / "poisoned", weighted("learned + task"), env=Wrong(8, poison))
    assert traces(clean) == traces(poisoned)


def test_the_learned_reward_is_not_asked_for_where_it_is_not_named(tmp_path: Path) -> None:
    def never(*_: Array) -> Array:
        raise AssertionError

    assert short(tmp_path, weighted("success + 0.1 * task"), reward=never).result() is not None


class Watchers:
    """Viewers who like whatever the first column is."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.asked = 0

    def see(self, env: object, t: int, step: Step) -> None:
        self.seen.append(t)

    def refreshed(self, reward: RewardSum) -> bool:
        self.asked += 1
        return self.asked == 2

    def judge(self, obs: Array, action: Array) -> Array:
        return np.ones(obs.shape[:-1])


def test_people_who_watch_see_every_step_and_are_heard_before_each_iteration(tmp_path: Path) -> None:
    viewers = Watchers()
    run = short(tmp_path, weighted("learned + 0.5 * live"), live=viewers)
    assert viewers.seen == list(range(40)) * 4
    assert viewers.asked == 4
    assert run.metrics()[0]["reward/live"] == 0.5


def test_what_nobody_gives_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"expected no live: this run has no viewers, got 'learned \+ live'"):
        short(tmp_path / "live", weighted("learned + live"))
    with pytest.raises(InvalidValueError, match=r"expected no term\(...\): only native tasks have them"):
        short(tmp_path / "terms", weighted("term(which='near')"))
    with pytest.raises(UnknownNameError, match="Unknown reward term 'tsak'"):
        weighted("learned + tsak")


def test_terms_of_a_native_task_by_name(tmp_path: Path) -> None:
    asked = short(tmp_path / "a", weighted("term(which='near')"), env=Named(8))
    assert asked.metrics()[0]["reward"] == pytest.approx(short(tmp_path / "b").metrics()[0]["reward"], abs=1e-6)
    with pytest.raises(UnknownNameError, match="Unknown term of the task 'nere'"):
        short(tmp_path / "c", weighted("term(which='nere')"), env=Named(8))


def test_a_native_task_gives_its_terms() -> None:
    from robo_rlhf.sim.envs.task_env import TaskEnv, make_env

    env = make_env("reach", 2, nthread=1)
    assert isinstance(env, TaskEnv)
    env.reset(np.arange(2))
    step = env.step(np.zeros((2, env.act_dim), np.float32))
    terms = env.reward_terms()
    np.testing.assert_allclose(np.mean(list(terms.values()), axis=0), step.reward, rtol=1e-5)


def test_potentials_know_whether_the_horizon_is_the_end() -> None:
    """As the value function does: with `finite` it is worth nothing there, else the episode goes on unseen."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(6, 2, 6)).astype(np.float32)
    nothing = np.zeros((5, 2, 2), np.float32)
    episodes = EpisodeBatch(obs, None, nothing, nothing, np.ones((5, 2), bool))  # type: ignore[arg-type]
    text = RewardSum("distance(of=[0, 1])")
    ended, going = (
        RewardObjective(text, ToyEnv(2), 0.9, ends=ends).value(episodes, closeness, "")[0] for ends in (True, False)
    )
    np.testing.assert_array_equal(ended[:-1], going[:-1])
    assert (ended[-1] > going[-1]).all(), "the potential is below 0, and is given back at the end"


def heads() -> PenalizedReward:
    """Return a reward of two heads that are not the same."""
    with seeded(0):
        model = AxesReward(6, 2, axes=["near", "gentle"], settings={"width": 8})
    return PenalizedReward(model, 0.0)


def test_heads_count_what_the_objective_says(tmp_path: Path) -> None:
    reward = heads()
    text = "2 * learned(axis='near') - 0.5 * learned(axis='gentle') + learned"
    run = short(tmp_path / "both", weighted(text), reward=reward)
    alone = short(tmp_path / "near", weighted("learned(axis='near')"), reward=reward)
    first, same = run.metrics()[0], alone.metrics()[0]
    assert first["reward/learned(axis='near')"] == pytest.approx(2 * same["reward/learned(axis='near')"], abs=1e-5)
    parts = [value for name, value in first.items() if name.startswith("reward/")]
    assert first["reward"] == pytest.approx(sum(parts), abs=1e-5)
    direct = short(tmp_path / "direct", reward=on_axis(reward, "near"))
    assert same["reward"] == pytest.approx(direct.metrics()[0]["reward"], abs=1e-6)


def test_an_axis_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="axis of the learned reward: expected one of near, gentle"):
        on_axis(heads(), "fast")
    with pytest.raises(InvalidValueError, match="the learned reward has no named axes"):
        short(tmp_path, weighted("learned(axis='near')"))
