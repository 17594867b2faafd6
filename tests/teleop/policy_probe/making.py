"""A data home to ask policies in: episodes of reach, two policies that differ, a reward model; quickly made."""

import shutil
from pathlib import Path

import torch

from robo_rlhf.core.learning import seeded
from robo_rlhf.policies.checkpoint import new_policy, save_policy
from robo_rlhf.rewards.checkpoint import new_reward, save_reward
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS

FLOW, PLAIN, REWARD = (
    f"runs/{run}/checkpoints/{name}.safetensors"
    for run, name in (("flow", "policy"), ("plain", "policy"), ("judge", "reward"))
)


def ask_home(reach_home: Path, home: Path) -> Path:
    """Make a data home with the eight demonstrations of reach and untrained models of its sizes."""
    shutil.copytree(reach_home, home, dirs_exist_ok=True)
    return models(home)


def models(home: Path, *, width: int = 32, layers: int = 1) -> Path:
    """Put two untrained policies and a reward model for reach into a data home; `width` and `layers` of the flow."""
    env = TaskEnv(TASKS["reach"](), 1, nthread=1)
    with seeded(0):
        flow = new_policy("flow", env.obs_dim, env.act_dim, {"width": width, "layers": layers, "history": 2})
        plain = new_policy("gaussian", env.obs_dim, env.act_dim, {})
        reward = new_reward("ensemble", env.obs_dim, env.act_dim, {"members": 3})
    with torch.no_grad():
        reward.obs_std.fill_(1.0)
    save_policy(flow, home / FLOW, {"task": "reach"})
    save_policy(plain, home / PLAIN, {"task": "reach"})
    save_reward(reward, home / REWARD, {"task": "reach"})
    return home
