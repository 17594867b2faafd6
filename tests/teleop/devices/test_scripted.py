import numpy as np
import pytest

from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.operators.scripted import ScriptedOperator
from robo_rlhf.sim.tasks import TASKS
from teleop.devices.scripted import Scripted
from teleop.input.action_mapping import to_action
from tests.teleop.making import world


@pytest.mark.parametrize("task", list(TASKS))
def test_it_does_what_the_scripted_operator_does(task: str) -> None:
    env = world(task)
    operator = ScriptedOperator(env)
    operator.reseed(np.array([9]))
    (expected,) = rollout(env, operator, np.array([9]), steps=12)
    env.reset(np.array([9]))
    with Scripted(env) as device:
        device.begin(9)
        for action in expected.action:
            said = device.read()
            assert (said.active, said.age, said.buttons) == (True, 0.0, frozenset())
            assert to_action(said, env.task.action_names).tobytes() == action.tobytes()
            env.step(action[None])
