import numpy as np
import pytest

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Episode, Source
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks.reach import Reach
from robo_rlhf.training_tools.demonstrated_starts import demonstrated_starts


@pytest.fixture(scope="module")
def demonstrations() -> list[Episode]:
    env = TaskEnv(Reach(), 3)
    return rollout(env, ScriptedOperator(env), np.arange(3), source=Source.SCRIPTED)


def test_early_rounds_begin_just_before_the_success_and_the_last_anywhere(demonstrations: list[Episode]) -> None:
    near, anywhere = (demonstrated_starts(demonstrations, 0.5, back).states for back in (0.25, 1.0))
    done = [int(np.argmax(episode.success)) for episode in demonstrations]
    assert len(anywhere) == sum(done)
    assert len(near) == pytest.approx(0.25 * sum(done), abs=2 * len(done))
    assert (near[-1] == demonstrations[-1].state[done[-1] - 1]).all()


def test_a_share_of_the_copies_begins_in_a_demonstration_bit_for_bit(demonstrations: list[Episode]) -> None:
    env, plain = make_env("reach", 64), make_env("reach", 64)
    starts, seeds = demonstrated_starts(demonstrations, 0.25, 1.0), np.arange(64)
    obs, usual = starts(env, seeds), plain.reset(seeds)
    inside = np.array([(starts.states == state).all(1).any() for state in env.get_state()])
    assert 8 <= inside.sum() <= 26
    assert (obs[~inside] == usual[~inside]).all()
    assert (starts(env, seeds[::-1].copy())[::-1] == obs).all()  # copy i depends on its seed alone


def test_refused_where_nothing_succeeds_or_no_frame_can_be_entered(demonstrations: list[Episode]) -> None:
    failed = [episode.slice(0, 2) for episode in demonstrations]
    with pytest.raises(InvalidValueError, match="no demonstration of this scene succeeds"):
        demonstrated_starts(failed, 0.5, 1.0)
    with pytest.raises(InvalidValueError, match="native task"):
        PipelineConfig(task="Pusher-v5", reverse_curriculum=0.5)
    with pytest.raises(InvalidValueError, match="native task"):
        PipelineConfig(learner="sac", reverse_curriculum=0.5)
