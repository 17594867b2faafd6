"""Weights of demonstrated steps by a learned reward: imitation that prefers what people prefer, without a simulator."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.latest import PenalizedReward
from robo_rlhf.rewards.reward_sum import RewardSum
from robo_rlhf.rewards.terms.base import Steps
from robo_rlhf.training_tools.shaping import on_axis

Method = Literal["advantage", "best_half"]
MOST = 20.0  # largest weight of a step before they are brought to mean 1, as in Peng et al. 2019
LEAST = 0.01  # deviation of advantages, as a share of that of rewards ahead, below which they are nothing
STAGES = np.linspace(0.0, 1.0, 1001)  # shares of an episode at which the baseline is known


@dataclass(frozen=True)
class RewardWeighting:
    """Weights of the steps of some episodes, see `data.training_arrays.examples.StepWeights`."""

    weights: dict[str, Array]  # episode id → (T,) float32

    def weigh(self, episodes: Sequence[Episode], steps: Sequence[Array]) -> Array:
        """Return the weight (M,) float32 of chosen `steps` of each episode, one episode after another."""
        parts = [self.weights[episode.meta.id][kept] for episode, kept in zip(episodes, steps, strict=True)]
        return np.concatenate(parts)

    def imitated(self, episode: Episode) -> Array:
        """Return (T,) bool: every step may be in the chunk of an earlier one."""
        return np.ones(len(episode), np.bool_)


def weights_by_reward(
    model: RewardModel, episodes: Sequence[Episode], method: Method, temperature: float, objective: str
) -> RewardWeighting:
    """Return weights of the steps of demonstrations, by the reward that `objective` makes of a learned one.

    Args:
        model: the learned reward.
        episodes: demonstrations of one task.
        method: "advantage": exp(advantage / temperature), after Peng et al. 2019 ("Advantage-weighted regression"). The
            advantage of a step is the mean reward of the rest of its episode, less what episodes have on average at
            that share of their length, over the deviation of that difference. "best_half": the half of the episodes
            with the higher mean reward, all steps alike.
        temperature: of the advantages; large ones weigh all steps alike.
        objective: a sum of terms that need nothing of an environment, such as "learned".

    Raises:
        InvalidValueError: the objective needs an environment, or an axis that the reward has no head for.
        NonFiniteError: a reward is NaN or infinite.
    """
    rewards = [step_rewards(model, episode, objective) for episode in episodes]
    found = _best_half(rewards) if method == "best_half" else _advantages(rewards, temperature)
    return RewardWeighting({e.meta.id: w.astype(np.float32) for e, w in zip(episodes, found, strict=True)})


def step_rewards(model: RewardModel, episode: Episode, objective: str) -> Array:
    """Return the reward (T,) of each step of an episode; errors as those of `weights_by_reward`."""
    reward, learned = sum_of_learned(objective), PenalizedReward(model, 0.0)
    if not len(episode):
        return np.zeros(0)
    obs, action = episode.obs[:, None], episode.action[:, None]  # (T+1, 1, obs_dim), (T, 1, act_dim)
    steps = Steps(
        obs=obs,
        action=action,
        active=np.ones(action.shape[:2], np.bool_),
        control_dt=episode.meta.control_dt,
        learned=learned(obs[:-1], action, obs[1:]),
        axes={axis: on_axis(learned, axis)(obs[:-1], action, obs[1:]) for axis in reward.axes},
    )
    found: Array = reward(steps)[0][:, 0]
    if not np.isfinite(found).all():
        raise NonFiniteError("The reward of a demonstration", f"episode {episode.meta.id}", "Leave this episode out.")
    return found


def sum_of_learned(objective: str) -> RewardSum:
    """Return the sum that an objective writes.

    Raises:
        InvalidValueError: it is none, or it needs something of an environment.
    """
    reward = RewardSum(objective)
    if reward.needs - {"learned"}:
        given = f"{objective!r}, which needs {', '.join(sorted(reward.needs - {'learned'}))}"
        raise InvalidValueError("objective of the weights", given, "a sum of learned, or of its axes")
    return reward


def _best_half(rewards: Sequence[Array]) -> list[Array]:
    order = np.argsort([-float(reward.mean()) if len(reward) else math.inf for reward in rewards], kind="stable")
    kept = set(order[: -(-len(order) // 2)].tolist())
    return [np.full(len(reward), float(i in kept)) for i, reward in enumerate(rewards)]


def _advantages(rewards: Sequence[Array], temperature: float) -> list[Array]:
    """Return weights of mean 1."""
    rest = [np.cumsum(reward[::-1])[::-1] / np.arange(len(reward), 0, -1) for reward in rewards]  # (T,) each
    shares = [np.linspace(0.0, 1.0, len(ahead)) for ahead in rest]
    curves = [np.interp(STAGES, share, ahead) for share, ahead in zip(shares, rest, strict=True) if len(ahead)]
    usual = np.mean(curves, axis=0)
    gains = [ahead - np.interp(share, STAGES, usual) for share, ahead in zip(shares, rest, strict=True)]
    unit = max(float(np.concatenate(gains).std()), LEAST * float(np.concatenate(rest).std()), 1e-9)
    weights = [np.minimum(np.exp(np.minimum(gain / (unit * temperature), 50.0)), MOST) for gain in gains]
    mean = float(np.concatenate(weights).mean())
    return [weight / mean for weight in weights]
