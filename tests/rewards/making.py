"""Random walks with a hidden reward, and answers about them according to it."""

from collections.abc import Callable

import numpy as np
import torch

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.feedback.kinds import KINDS
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward

OBS_DIM, ACT_DIM, LENGTH = 6, 2, 50
Hidden = Callable[[Array, Array], Array]  # obs after the step (..., OBS_DIM), action (..., ACT_DIM) → reward (...)


def linear(obs: Array, action: Array) -> Array:
    value: Array = obs @ np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0]) - 0.5 * (action**2).sum(-1)
    return value


def nonlinear(obs: Array, action: Array) -> Array:
    """Near to a point that moves, with little effort."""
    distance = np.linalg.norm(obs[..., :2] - obs[..., 2:4], axis=-1)
    value: Array = 1 - np.tanh(distance) + 0.5 * (distance < 0.5) - 0.2 * (action**2).sum(-1)
    return value


def walks(count: int, seed: int, length: int = LENGTH) -> tuple[Array, Array]:
    """Return obs (count, length + 1, OBS_DIM) and action (count, length, ACT_DIM) of random walks."""
    rng = np.random.default_rng(seed)
    action = rng.normal(0, 0.3, (count, length, ACT_DIM)) + rng.normal(0, 0.4, (count, 1, ACT_DIM))
    action = np.clip(action, -1, 1).astype(np.float32)
    drift = 0.05 * rng.normal(size=(count, length, OBS_DIM))
    drift[..., :ACT_DIM] += 0.05 * action
    start = rng.normal(size=(count, 1, OBS_DIM))
    return np.concatenate([start, start + drift.cumsum(1)], 1).astype(np.float32), action


def answered(count: int, seed: int, hidden: Hidden, mistake: float = 0.0) -> tuple[ClipTensors, AnswerExamples]:
    """Return `count` pairs of clips and which of the two has more of the hidden reward, with mistakes."""
    obs, action = walks(2 * count, seed)
    returns = hidden(obs[:, 1:], action).mean(1)
    first = returns[0::2] > returns[1::2]
    first ^= np.random.default_rng(seed).random(count) < mistake
    return clips(obs, action), pairs(np.stack([first, ~first], 1).astype(np.float32))


def clips(obs: Array, action: Array) -> ClipTensors:
    tensors = (torch.from_numpy(x.copy()) for x in (obs[:, :-1], action, obs[:, 1:]))
    return ClipTensors(*tensors, torch.ones(action.shape[:2]))


def pairs(values: Array) -> AnswerExamples:
    """Return answers with targets (B, 2) about clips 2 i and 2 i + 1."""
    count = len(values)
    places, fold = torch.arange(2 * count).view(count, 2), torch.arange(count)
    return AnswerExamples(KINDS["pairwise"], places, torch.from_numpy(values), torch.ones(count), fold)


def ensemble(seed: int = 0, **settings: object) -> RewardModel:
    with seeded(seed):
        return new_reward("ensemble", OBS_DIM, ACT_DIM, settings)
