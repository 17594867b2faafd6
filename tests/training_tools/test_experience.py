from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import EnvironmentFaultError
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Step
from robo_rlhf.pipeline.steps.observers import TrueRewardLog, truth_rows
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.training_tools.experience import collect
from robo_rlhf.training_tools.exploration import explored_block
from tests.toy import ToyEnv


def test_what_a_fault_cut_is_learned_from_until_then_and_values_its_end() -> None:
    env = ToyEnv(3, faults={1: 5, 2: 0})
    actor = GaussianPolicy(6, 2, width=8)
    episodes = collect(env, actor, actor.draw, np.random.default_rng(0), "iteration 1")
    assert episodes.active.sum(axis=0).tolist() == [40, 5, 0]
    assert episodes.cut is not None
    assert episodes.cut.tolist() == [False, True, True]
    block = explored_block(episodes, {})
    assert block.active.sum(axis=0).tolist() == [40, 5, 0]
    assert block.goes_on.tolist() == [False, True, True]


def test_where_faults_end_every_episode_training_says_so() -> None:
    env = ToyEnv(2, faults={0: 4, 1: 2})
    actor = GaussianPolicy(6, 2, width=8)
    wanted = r"Faults ended all 2 episodes by step 5 of iteration 1; the first was: toy went wrong\. Mend"
    with pytest.raises(EnvironmentFaultError, match=wanted):
        collect(env, actor, actor.draw, np.random.default_rng(0), "iteration 1")


def test_a_cut_episode_is_no_true_success(tmp_path: Path) -> None:
    true = TrueRewardLog(Run(tmp_path / "run", {}), 2)
    step = Step(np.zeros((2, 1)), np.ones(2), np.ones(2, bool), np.zeros((2, 1)), {}, np.ones(2, bool))
    true.observe(1, 0, step)
    true.observe(1, 1, step._replace(active=np.array([True, False]), faults={1: "toy went wrong"}))
    true.log(1, None, {})
    (row,) = truth_rows(true.run)
    assert (row["success"], row["return"]) == (0.5, 1.5)
