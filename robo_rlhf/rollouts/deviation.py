"""The deviation of a replay from its recording: the same actions on another machine, or in another scene."""

import numpy as np

from robo_rlhf.core.types import Array
from robo_rlhf.rollouts.control_loop import control_loop
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics.batch import apart


def measure_deviation(env: TaskEnv, state: Array, action: Array) -> float:
    """Replay recorded actions in `env` and return the deviation from recorded states: the largest of a position.

    Zero means the same states bit for bit, which is guaranteed on the machine that recorded them. Afterwards the
    states of the copies are restored.

    Args:
        env: the world; every copy replays the same.
        state: the recorded states (T+1, nstate).
        action: the actions (T, act_dim) that led from each to the next.
    """
    before, largest = env.get_state(), 0.0
    obs = env.set_state(np.repeat(state[:1], env.num_envs, axis=0))
    actions = iter(np.repeat(action[:, None], env.num_envs, axis=1))
    for then, _ in zip(state[1:], control_loop(env, lambda _: next(actions), obs), strict=False):
        largest = float(np.maximum(largest, apart(env.model, env.sim.state[0], then)))
    env.set_state(before)
    return largest
