import numpy as np

from robo_rlhf.rollouts.deviation import measure_deviation
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.physics.batch import BatchSim
from robo_rlhf.sim.tasks import TASKS
from tests.sim.physics.test_model_identity import last_bits


def test_another_processor_deviates_by_what_is_measured() -> None:
    """Compiled with other last bits, the same actions lead elsewhere: a little, and not by nothing."""
    env, other = (TaskEnv(TASKS["reach"](), 2, nthread=1) for _ in range(2))
    rng = np.random.default_rng(0)
    env.reset(np.array([3, 3]))
    states, actions = [env.get_state()[0]], rng.uniform(-1, 1, (20, env.act_dim)).astype(np.float32)
    for action in actions:
        env.step(np.stack([action, action]))
        states.append(env.get_state()[0])
    stands = env.reset(np.array([7, 8]))
    assert measure_deviation(env, np.stack(states), actions) == 0.0
    np.testing.assert_array_equal(env.task.observe(env.sim), stands)
    other.model = last_bits(other.model)
    other.sim = BatchSim(other.model, 2, other.sim.substeps, 1)
    assert 0.0 < measure_deviation(other, np.stack(states), actions) < 1e-6
