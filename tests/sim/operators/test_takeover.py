import numpy as np

from robo_rlhf.core.types import Array, Episode, Policy, Source
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import PERFECT, ScriptedOperator
from tests.sim.operators.takeover import TakeoverOperator


class Still:
    """A policy that does nothing."""

    def reset(self, num_envs: int) -> None:
        pass

    def act(self, obs: Array) -> Array:
        return np.zeros((len(obs), 5), np.float32)


def drive(policy: Policy | None, patience: int = 5) -> list[Episode]:
    env = make_env("reach", 3, 1)
    assert isinstance(env, TaskEnv)
    watcher = TakeoverOperator(
        env, policy or ScriptedOperator(env, PERFECT), ScriptedOperator(env, PERFECT), patience=patience
    )
    return rollout(env, watcher, np.arange(3), source=watcher.source)


def test_takes_over_where_nothing_happens_and_lets_go_of_what_is_solved() -> None:
    for episode in drive(Still()):
        first = int(np.argmax(episode.source == Source.CORRECTION))
        assert first == 5
        assert (episode.source[:first] == Source.POLICY).all()
        assert not episode.action[:first].any()
        solved = int(np.argmax(episode.success))
        assert solved > first
        assert (episode.source[first:solved] == Source.CORRECTION).all()
        assert (episode.source[solved:] == Source.POLICY).all()


def test_lets_a_good_policy_drive() -> None:
    for episode in drive(None):
        assert (episode.source == Source.POLICY).all()
        assert episode.success[-1]
