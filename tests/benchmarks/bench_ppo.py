"""Speed of PPO, end to end: `pytest -m bench -s tests/benchmarks/bench_ppo.py`.

Ours against Stable-Baselines3 on the same task, with the same networks, environments, steps an iteration, passes and
minibatches, one torch thread each; Stable-Baselines3 over our single environment in the best of its vector forms.
Both sides collect, compute advantages and learn; ours computes a reward of its own besides and writes checkpoints.
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
from robo_rlhf.policies.gaussian import GaussianPolicy
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.tasks import TASKS
from robo_rlhf.training import ppo

pytestmark = pytest.mark.bench
NUM_ENVS = 64
ITERATIONS = 3  # a turn
TURNS = 3
FORMS = (("dummy", 64), ("subproc", 64), ("subproc", 8))  # of Stable-Baselines3, and environments; the best one counts
SETTINGS = {  # network, passes, minibatch
    "ours": (256, 5, 960),
    "Stable-Baselines3's": (64, 10, 64),  # its own defaults for policy and value function
}


def tracking(obs: Array, action: Array, next_obs: Array) -> Array:
    """Stand in for a learned reward of about the price of one."""
    reward: Array = -np.tanh(np.linalg.norm(next_obs, axis=-1)).astype(np.float32)
    return reward


def our_rate(folder: Path, env: VecEnv, width: int, epochs: int, minibatch: int) -> float:
    """Return environment steps a second of one turn."""
    config = ppo.Config(
        num_envs=NUM_ENVS,
        iterations=ITERATIONS,
        epochs=epochs,
        minibatch=minibatch,
        target_kl=0.0,
        warmup=0,
        critic_width=width,
    )
    actor = GaussianPolicy(env.obs_dim, env.act_dim, width=width)
    start = time.perf_counter()
    ppo.train(config, Run(folder, config), env, actor, tracking)
    return ITERATIONS * NUM_ENVS * env.horizon / (time.perf_counter() - start)


def their_model(form: str, num_envs: int, steps: int, width: int, epochs: int, minibatch: int) -> Any:
    """Return Stable-Baselines3's PPO with the same settings, which learns from `steps` steps an iteration."""
    sb3 = pytest.importorskip("stable_baselines3", reason="in the extra `bench`")
    vec = pytest.importorskip("stable_baselines3.common.vec_env")
    torch = pytest.importorskip("torch")
    makers = [lambda: gymnasium.make("robo_rlhf/PickPlace-v0")] * num_envs
    envs = vec.DummyVecEnv(makers) if form == "dummy" else vec.SubprocVecEnv(makers, start_method="fork")
    return sb3.PPO(
        "MlpPolicy",
        envs,
        n_steps=steps // num_envs,
        n_epochs=epochs,
        batch_size=minibatch,
        policy_kwargs={"net_arch": [width, width], "activation_fn": torch.nn.ReLU},
        device="cpu",
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_ppo_against_stable_baselines3(tmp_path: Path, name: str) -> None:
    use_one_thread()
    steps = NUM_ENVS * TASKS["pick_place"].horizon
    rows = []
    for form, num_envs in FORMS:
        theirs = their_model(form, num_envs, steps, *SETTINGS[name])  # before ours: it forks
        theirs.learn(steps)
        env = make_env("pick_place", NUM_ENVS)
        our_rate(tmp_path / f"{form}-{num_envs}-warm", env, *SETTINGS[name])
        turns = []
        for turn in range(TURNS):
            ours = our_rate(tmp_path / f"{form}-{num_envs}-{turn}", env, *SETTINGS[name])
            start = time.perf_counter()
            theirs.learn(ITERATIONS * steps, reset_num_timesteps=False)
            turns.append((ours, ITERATIONS * steps / (time.perf_counter() - start)))
        theirs.env.close()
        ours, their = np.median(turns, axis=0)
        ratio = float(np.median([a / b for a, b in turns]))
        print(f"\n{name}, {form} {num_envs}: {ours:,.0f} against {their:,.0f} steps/s, {ratio:.1f} times")
        rows.append({"their form": f"{form} {num_envs}", "ours": ours, "theirs": their, "ratio": ratio})
    print_rows(rows, as_json=False, title=f"PPO end to end on pick_place [steps/s], settings of {name}")
    assert min(row["ratio"] for row in rows) >= 3.0
