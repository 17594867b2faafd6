"""How often the scripted operators succeed: `pytest -m bench -s tests/benchmarks/bench_operators.py`.

Success is judged after the last step: at the horizon for an operator without faults, at 1.6 horizons, as the paced
sessions allow, for one with a person's.
"""

import numpy as np
import pytest

from robo_rlhf.core.types import Source
from robo_rlhf.rollouts.evaluation import summarize_episodes
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.operators.scripted import PERFECT, PERSON, OperatorFaults, ScriptedOperator
from robo_rlhf.sim.robots import DEFAULT, ROBOTS
from robo_rlhf.sim.task_tools.arm import ArmTask
from robo_rlhf.sim.task_tools.style_measures import MEASURES
from robo_rlhf.sim.tasks import TASKS

pytestmark = pytest.mark.bench
EPISODES = 200
NUM_ENVS = 50
FIRST_SEED = 10_000
PATIENCE = 1.6  # horizons that a person gets
ARM_TASKS = [task for task in TASKS if issubclass(TASKS[task], ArmTask)]
OTHERS = [f"{task}@{robot}" for robot in ROBOTS if robot != DEFAULT for task in ARM_TASKS]


@pytest.mark.parametrize("name", [*TASKS, *OTHERS])
@pytest.mark.parametrize(
    ("who", "faults", "patience", "bar"), [("faultless", PERFECT, 1.0, 0.95), ("person", PERSON, PATIENCE, 0.85)]
)
def test_success(name: str, who: str, faults: OperatorFaults, patience: float, bar: float) -> None:
    """Each task reaches its bar; the line says when, and how much of what its teacher cares about there was."""
    env = TaskEnv(TASKS[name](), NUM_ENVS)
    operator = ScriptedOperator(env, faults)
    steps = round(patience * env.horizon)
    seeds = FIRST_SEED + np.arange(EPISODES)
    episodes = rollout(env, operator, seeds, source=Source.SCRIPTED, steps=steps, record_state=False)
    found = summarize_episodes(episodes)
    success, measure = found.success, found.measures()[env.task.style_cost]
    first = [int(e.success.argmax()) for e in episodes if e.success.any()]
    print(
        f"\n{name:14} {who:9} {success.value:6.1%} ({success.low:.1%} to {success.high:.1%}) of {EPISODES}, "
        f"first after {np.median(first):.0f} steps (95 %: {np.quantile(first, 0.95):.0f}) of {steps}; "
        f"{env.task.style_cost} {measure.value:.3g} {MEASURES[env.task.style_cost].unit}"
    )
    assert success.value >= bar
