"""The success head: the chance that people would say that the task is done in a state.

It is learned from answers to "did it succeed?" about how episodes end, beside the reward that explains preferences, and
stands in for an environment's mark of success, which no real robot gives. Each member of the ensemble leaves out one
part of the answers, which it is judged on. Demonstrations are a weak prior: they end where they should, and do not
begin there.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from robo_rlhf.core.errors import NonFiniteError, ShapeError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward

MEMBERS = 5
SETTINGS = {"members": MEMBERS, "width": 64, "layers": 2, "inputs": "obs", "gain": 8.0}  # a logit of at most 8
UPDATES, BATCH = 400, 128
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
FLIP = 0.05  # chance that an answer was given at random
ENDING = 5  # frames at the end of a clip that its answer is about
DEMONSTRATION_WEIGHT = 0.5  # of a demonstration's end, and of its beginning, where an answer weighs 1
BEGINNING = 0.2  # share of a demonstration's steps that are its beginning


class SuccessExamples(NamedTuple):
    """M states, and whether the task is done in them."""

    obs: Array  # (M, obs_dim) float32
    done: Array  # (M,) float32, 1 or 0
    weight: Array  # (M,) float32
    fold: Array  # (M,) int64, the same for the states of one answer, from 0; -1: never held out

    @property
    def both(self) -> bool:
        """Whether there are states that are done and states that are not."""
        return bool(self.done.min(initial=1.0) < self.done.max(initial=0.0))

    def joined(self, other: "SuccessExamples") -> "SuccessExamples":
        """Return these states and then the others."""
        return SuccessExamples(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def ending_examples(obs: Array, done: float, weight: float, fold: int) -> SuccessExamples:
    """Return the last states of one judged clip, whose observations after each step are (L, obs_dim)."""
    last = np.asarray(obs[-ENDING:], np.float32)
    count = len(last)
    share = np.full(count, weight / count, np.float32)
    return SuccessExamples(last, np.full(count, done, np.float32), share, np.full(count, fold))


def demonstration_examples(demonstrations: Sequence[Episode]) -> list[SuccessExamples]:
    """Return the ends of demonstrations as done and their beginnings as not done; held out from nothing."""
    found = []
    for episode in demonstrations:
        begun = episode.obs[: max(1, round(BEGINNING * len(episode)))]
        share = np.full(len(begun), DEMONSTRATION_WEIGHT / len(begun), np.float32)
        found.append(ending_examples(episode.obs, 1.0, DEMONSTRATION_WEIGHT, -1))
        found.append(SuccessExamples(begun, np.zeros(len(begun), np.float32), share, np.full(len(begun), -1)))
    return found


def fit_success(examples: SuccessExamples, act_dim: int, seed: int) -> RewardModel:
    """Return the head, an ensemble whose output is the logit of success in an observation.

    Raises:
        NonFiniteError: NaN or infinity among the observations.
    """
    obs, done, weight = (torch.from_numpy(np.ascontiguousarray(value)) for value in examples[:3])
    with seeded(seed):
        model = new_reward("ensemble", obs.shape[1], act_dim, SETTINGS)
    model.fit_normalizer(obs)
    generator = torch.Generator().manual_seed(seed)
    fold = torch.from_numpy(examples.fold)
    shares = torch.stack([weight * ((fold < 0) | (fold % MEMBERS != e)) for e in range(MEMBERS)])  # (E, M)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(UPDATES if examples.both else 0):
        rows = torch.multinomial(shares, BATCH, replacement=True, generator=generator)  # (E, b)
        signed = _logits(model, obs[rows][:, None])[:, 0] * (2 * done[rows] - 1)
        likely = torch.logaddexp(logsigmoid(signed) + np.log1p(-FLIP), torch.full_like(signed, np.log(FLIP / 2)))
        optimizer.zero_grad(set_to_none=True)
        (-likely.mean(1).sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval()


def held_out_accuracy(model: RewardModel, examples: SuccessExamples) -> float | None:
    """Return the share of answers that the members which did not train on them predict; None without answers."""
    asked = examples.fold >= 0
    if not asked.any():
        return None
    fold = torch.from_numpy(examples.fold[asked])
    with torch.inference_mode():
        logit = _logits(model, torch.from_numpy(examples.obs[asked])[None])[:, 0]  # (E, M)
    own = logit.gather(0, (fold % MEMBERS)[None])[0].numpy()
    right = (own > 0) == (examples.done[asked] > 0.5)
    return float(np.average(right, weights=examples.weight[asked]))


@torch.inference_mode()
def chance_of_success(model: RewardModel, obs: Array) -> tuple[Array, Array]:
    """Return the chance that people would call observations (..., obs_dim) done: mean and deviation of the members.

    Raises:
        ShapeError: observations of another size.
        NonFiniteError: NaN or infinity in an observation.
    """
    if obs.shape[-1] != model.obs_dim:
        raise ShapeError("obs for a success head", (*obs.shape[:-1], model.obs_dim), obs.shape)
    rows = torch.as_tensor(obs, dtype=torch.float32).reshape(1, -1, model.obs_dim)
    if not torch.isfinite(rows).all():
        raise NonFiniteError("A chance of success", "prediction of a success head", "Its input holds NaN or infinity.")
    chance = _logits(model, rows)[:, 0].sigmoid()
    mean, std = chance.mean(0), chance.std(0, correction=0)
    return mean.reshape(obs.shape[:-1]).numpy(), std.reshape(obs.shape[:-1]).numpy()


class WithSuccess:
    """A learned reward, and `weight` a step in states that people would call done."""

    def __init__(
        self,
        reward: Callable[[Array, Array, Array], Array],
        head: RewardModel,
        weight: float,
        uncertainty_penalty: float,
    ) -> None:
        """Add to `reward` the chance by `head`, less `uncertainty_penalty` times its deviation."""
        self.reward, self.head = reward, head
        self.weight, self.uncertainty_penalty = weight, uncertainty_penalty

    def __call__(self, obs: Array, action: Array, next_obs: Array) -> Array:
        """Return the reward (T, N) of steps, for obs (T, N, obs_dim), action (T, N, act_dim) and next_obs."""
        mean, std = chance_of_success(self.head, next_obs)
        total: Array = self.reward(obs, action, next_obs)
        return total + np.float32(self.weight) * np.maximum(mean - self.uncertainty_penalty * std, 0.0)


def _logits(model: RewardModel, obs: Tensor) -> Tensor:
    """Return the logits (E, B, L) of observations (B, L, obs_dim) or (E, B, L, obs_dim)."""
    logits: Tensor = model(obs, obs, obs)  # the head sees observations alone
    return logits
