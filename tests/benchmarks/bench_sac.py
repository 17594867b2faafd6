"""Speed of SAC, end to end: `pytest -m bench -s tests/benchmarks/bench_sac.py`.

Ours against Stable-Baselines3 on the same task, with the same networks, batch and updates a step, one torch thread
each; two value functions without layer normalisation, one step of reward and no demonstrations, as theirs. Both sides
step the environment, remember and learn; ours computes a reward of its own besides and writes checkpoints.
Processor time counts, as other work on the machine would drown the difference; both sides use one thread.
The sides take turns and the median of the turns' ratios counts.
"""

import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import robo_rlhf  # noqa: F401 - registers the tasks with Gymnasium
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array, VecEnv
from robo_rlhf.policies.tanh_gaussian import TanhGaussianPolicy
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.training import sac

pytestmark = pytest.mark.bench
NUM_ENVS = 4
TURNS = 3
SIZES = {"256 units, batch 256": (256, 256), "128 units, batch 128": (128, 128)}


def tracking(obs: Array, action: Array, next_obs: Array) -> Array:
    """Stand in for a learned reward of about the price of one."""
    reward: Array = -np.tanh(np.linalg.norm(next_obs, axis=-1)).astype(np.float32)
    return reward


def our_rate(folder: Path, env: VecEnv, width: int, batch: int, layer_norm: bool = False) -> float:
    """Return environment steps, and updates, a second of one turn."""
    config = sac.Config(
        num_envs=NUM_ENVS,
        iterations=1,
        updates=1.0,
        batch=batch,
        n_step=1,
        critic_width=width,
        layer_norm=layer_norm,
        warmup=0,
    )
    actor = TanhGaussianPolicy(env.obs_dim, env.act_dim, width=width)
    start = time.process_time()
    sac.train(config, Run(folder, config), env, actor, tracking)
    return NUM_ENVS * env.horizon / (time.process_time() - start)


def their_model(width: int, batch: int) -> Any:
    """Return Stable-Baselines3's SAC with the same settings, past the steps that it does not learn from."""
    sb3 = pytest.importorskip("stable_baselines3", reason="in the extra `bench`")
    env = gymnasium.make("robo_rlhf/PickPlace-v0")
    policy = {"net_arch": [width, width]}
    model = sb3.SAC("MlpPolicy", env, batch_size=batch, learning_starts=batch, policy_kwargs=policy, device="cpu")
    return model.learn(batch + 50)


@pytest.mark.parametrize("name", SIZES)
def test_sac_against_stable_baselines3(tmp_path: Path, name: str) -> None:
    use_one_thread()
    env, theirs = make_env("pick_place", NUM_ENVS, nthread=1), their_model(*SIZES[name])
    steps = NUM_ENVS * env.horizon
    our_rate(tmp_path / "warm", env, *SIZES[name])
    turns = []
    for turn in range(TURNS):
        ours = our_rate(tmp_path / str(turn), env, *SIZES[name])
        start = time.process_time()
        theirs.learn(steps // 2, reset_num_timesteps=False)
        theirs_rate = steps // 2 / (time.process_time() - start)
        turns.append((ours, theirs_rate, our_rate(tmp_path / f"{turn}-norm", env, *SIZES[name], layer_norm=True)))
    ours, their, normed = np.median(turns, axis=0)
    ratio = float(np.median([a / b for a, b, _ in turns]))
    row = {"ours": ours, "with layer norm": normed, "theirs": their, "ratio": ratio}
    print_rows([row], as_json=False, title=f"SAC on pick_place [steps and updates a processor second], {name}")
    assert ratio >= 1.5
