from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.errors import EnvironmentFaultError, InvalidValueError, ShapeError
from robo_rlhf.core.types import Array, Episode, Policy, Source, VecEnv
from robo_rlhf.rollouts.rollout import check_environment, rollout
from tests.toy import ToyEnv, ToyOperator, demonstrations


class Broken(ToyOperator):
    """Gives NaN in environment 1 from step 5 on."""

    def reset(self, num_envs: int) -> None:
        super().reset(num_envs)
        self.t = 0

    def act(self, obs: Array) -> Array:
        action = super().act(obs)
        if self.t >= 5:
            action[1] = np.nan
        self.t += 1
        return action


class Straight:
    """A policy without memory or noise."""

    def reset(self, num_envs: int) -> None:
        pass

    def act(self, obs: Array) -> Array:
        return np.clip((obs[:, 4:] - obs[:, :2]) * 5, -1, 1).astype(np.float32)


def assert_equal(one: Episode, other: Episode) -> None:
    for name in ("obs", "action", "state", "reward", "success", "source"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    assert one.meta == other.meta


def test_toy_meets_the_protocols() -> None:
    assert isinstance(ToyEnv(), VecEnv)
    assert isinstance(ToyOperator(), Policy)


def test_operator_succeeds() -> None:
    episodes = demonstrations(32)
    assert sum(e.meta.outcome == "success" for e in episodes) >= 28
    assert all(len(e) == 40 and set(e.source) == {Source.SCRIPTED} for e in episodes)
    assert {name: value.shape for name, value in episodes[0].signals.items()} == {"ee_pos": (40, 3)}


@pytest.mark.parametrize("num_envs", [1, 3, 7, 8])
def test_batches_of_any_size_give_the_same_episodes(num_envs: int) -> None:
    seeds = np.arange(7)
    expected = rollout(ToyEnv(7), Straight(), seeds)
    found = rollout(ToyEnv(num_envs), Straight(), seeds)
    assert [e.meta.seed for e in found] == list(seeds)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


def test_states_enter_the_episode_again() -> None:
    episode = rollout(ToyEnv(1), Straight(), np.array([3]))[0]
    env = ToyEnv(1)
    np.testing.assert_array_equal(env.set_state(episode.state[10:11])[0], episode.obs[10])
    for t in range(10, 20):
        step = env.step(episode.action[t : t + 1])
        np.testing.assert_array_equal(step.obs[0], episode.obs[t + 1])


def test_without_states() -> None:
    assert rollout(ToyEnv(2), Straight(), np.arange(2), record_state=False)[0].state.shape == (41, 0)


def test_fields_of_meta() -> None:
    episodes = rollout(ToyEnv(2), Straight(), np.arange(2), meta=lambda seed: {"id": f"e{seed}", "operator": "run 1"})
    assert [e.meta.id for e in episodes] == ["e0", "e1"]
    episodes = rollout(ToyEnv(2), Straight(), np.arange(2), meta={"device": "policy"}, steps=5)
    assert episodes[1].meta.device == "policy"
    assert len(episodes[1]) == 5


def test_source_of_each_step() -> None:
    turns = iter(range(40))

    def source() -> Array:
        return np.array([Source.CORRECTION if next(turns) >= 30 else Source.POLICY] * 2, np.uint8)

    episode = rollout(ToyEnv(2), Straight(), np.arange(2), source=source)[1]
    assert list(np.unique(episode.source, return_counts=True)[1]) == [30, 10]


def test_variable_length_is_cut_at_the_end_of_each_episode() -> None:
    episodes = rollout(ToyEnv(8, ends=True), ToyOperator(), np.arange(8))
    assert len({len(e) for e in episodes}) > 1
    for episode in episodes:
        if episode.meta.outcome == "success":
            assert episode.success[-1]
            assert not episode.success[:-1].any()


def test_non_finite_action_ends_its_episode_alone() -> None:
    broken = rollout(ToyEnv(3), Broken(), np.arange(3))
    whole = rollout(ToyEnv(3), ToyOperator(), np.arange(3))
    assert broken[1].meta.outcome == "aborted"
    assert broken[1].meta.note == "aborted at step 5: the policy gave an action that is not finite"
    assert len(broken[1]) == 5
    assert np.isfinite(broken[1].obs).all()
    for i in (0, 2):
        assert_equal(broken[i], whole[i])


@pytest.mark.parametrize("step", [0, 7])
def test_a_fault_of_the_environment_ends_its_episode_alone(step: int) -> None:
    faulty = rollout(ToyEnv(3, faults={1: step}), ToyOperator(), np.arange(3))
    whole = rollout(ToyEnv(3), ToyOperator(), np.arange(3))
    assert faulty[1].meta.outcome == "aborted"
    assert faulty[1].meta.note == f"aborted at step {step}: toy went wrong"
    assert_equal(replace(faulty[1], meta=whole[1].meta), whole[1].slice(0, step))
    for i in (0, 2):
        assert_equal(faulty[i], whole[i])
    check_environment([e.meta for e in faulty], "toy")
    check_environment([], "toy")


def test_nothing_but_faults_is_told() -> None:
    faulty = rollout(ToyEnv(2, faults={0: 3, 1: 2}), ToyOperator(), np.arange(2))
    wanted = (
        r"^All 2 episodes of toy ended by a fault of the environment; the first was aborted at step 3: toy went wrong\."
    )
    with pytest.raises(EnvironmentFaultError, match=wanted):
        check_environment([e.meta for e in faulty], "toy")
    check_environment(
        [e.meta for e in rollout(ToyEnv(2, faults={0: 9}), Broken(), np.arange(2))], "toy"
    )  # the other by its policy


def test_wrong_actions_and_no_seeds_are_refused() -> None:
    class Wrong(Straight):
        def act(self, obs: Array) -> Array:
            return np.zeros((len(obs), 3), np.float32)

    with pytest.raises(ShapeError, match=r"actions of the policy: expected shape \(2, 2\), got shape \(2, 3\)"):
        rollout(ToyEnv(2), Wrong(), np.arange(2))
    with pytest.raises(InvalidValueError, match="at least one seed"):
        rollout(ToyEnv(2), Straight(), np.array([]))


def test_on_step_sees_every_step() -> None:
    seen: list[int] = []

    rollout(ToyEnv(2), Straight(), np.arange(4), on_step=seen.append)
    assert seen == [*range(40), *range(40)]
