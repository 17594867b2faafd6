"""The pictures that a reward sees of the episodes that are collected: of the right states, drawn beside the physics."""

import numpy as np

from robo_rlhf.core.learning import seeded
from robo_rlhf.rewards.checkpoint import new_reward
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.rendering.renderer import FrameRenderer, load_model
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.training_tools.reward_watch import watch_for


def test_pictures_are_those_of_the_states_and_numbered_by_step_and_copy() -> None:
    env = TaskEnv(TASKS["reach"](), 2, nthread=1)
    settings = {"cameras": ["front"], "size": 16, "rate": 1 / (2 * env.control_dt), "settings": {"width": 8}}
    with seeded(0):
        model = new_reward("visual", env.obs_dim, env.act_dim, settings)
    watch = watch_for(PenalizedReward(model, 0.0), env)
    assert watch is not None
    for _ in range(2):  # the second episode begins anew
        obs, states = [env.reset(np.array([1, 2]))], [env.get_state()]
        watch.begin()
        for t in range(4):
            obs.append(env.step(np.full((2, env.act_dim), 0.5, np.float32)).obs)
            watch.note(t + 1)
            states.append(env.get_state())
    numbers = watch.numbers(4)
    assert numbers.tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5]]
    assert len(watch) == 6
    found = watch.take(numbers)["front"]
    with FrameRenderer(load_model("reach"), 16, 16) as renderer:
        for t, shown in enumerate((0, 0, 2, 2, 4)):
            assert np.array_equal(found[t], renderer.frames(states[shown], "front"))
    seen = np.concatenate([np.stack(obs), numbers[..., None].astype(np.float32)], axis=-1)
    reward = PenalizedReward(model, 0.0)(seen[:-1], np.zeros((4, 2, env.act_dim), np.float32), seen[1:])
    assert reward.shape == (4, 2)
    env.close()
    plain = new_reward("ensemble", env.obs_dim, env.act_dim, {})
    assert watch_for(PenalizedReward(plain, 0.0), env) is None
