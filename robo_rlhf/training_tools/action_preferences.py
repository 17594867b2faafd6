"""Preferences over a policy's actions at one state, as a loss beside that of reinforcement learning.

Rafailov et al. 2023 ("Direct preference optimization"), of several candidates (Luce 1959): the chosen one is explained
by a softmax over beta log(pi(a|s) / pi_0(a|s)), where pi_0 is the policy that training starts from. So the policy moves
only as far from it as the choices ask for, and nothing has to be learned of a reward.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.types import Array, Episode
from robo_rlhf.policies.base import GaussianActor

BETA = 0.1
BATCH = 32  # choices that the loss of one step is taken of


class ActionChoice(NamedTuple):
    """One answer: what the policy might have done from one state, and which of it was chosen."""

    candidates: Sequence[Episode]  # K, from one state
    chosen: int


class ActionPreferences:
    """The choices as tensors, and their loss."""

    def __init__(self, choices: Sequence[ActionChoice], steps: int) -> None:
        """Take the first `steps` of each candidate."""
        episodes = [episode for choice in choices for episode in choice.candidates]
        self.obs = np.stack([episode.obs[:steps] for episode in episodes], axis=1)  # (H, Q * K, obs_dim)
        action = torch.from_numpy(np.stack([episode.action[:steps] for episode in episodes], axis=1))
        self.shape = (len(choices), len(episodes) // len(choices))
        self.action = self._by_choice(action)  # (Q, K, H, act_dim)
        self.chosen = torch.tensor([choice.chosen for choice in choices])

    @torch.no_grad()
    def begin(self, actor: GaussianActor) -> None:
        """Compare with `actor`, the policy that training starts from; it forgets the episode that it is in."""
        actor.reset(self.obs.shape[1])
        features = torch.stack([actor.features(row) for row in self.obs])  # (H, Q * K, feature_dim)
        self.features = self._by_choice(features)
        self.start = self._log_prob(actor, slice(None))

    def loss(self, actor: GaussianActor, rng: np.random.Generator) -> Tensor:
        """Return the mean loss of some of the choices, a scalar."""
        rows = rng.permutation(len(self.chosen))[:BATCH]
        gain = self._log_prob(actor, rows) - self.start[rows]  # (b, K)
        return torch.nn.functional.cross_entropy(BETA * gain, self.chosen[rows])

    def accuracy(self, actor: GaussianActor) -> float:
        """Return the share of choices whose candidate has become likelier than the others."""
        with torch.no_grad():
            gain = self._log_prob(actor, slice(None)) - self.start
        return float((gain.argmax(1) == self.chosen).float().mean())

    def _by_choice(self, rows: Tensor) -> Tensor:
        """Return steps of all candidates (H, Q * K, n) as (Q, K, H, n)."""
        return rows.reshape(len(rows), *self.shape, rows.shape[-1]).movedim(0, 2)

    def _log_prob(self, actor: GaussianActor, rows: "slice | Array") -> Tensor:
        """Return log pi of each candidate's actions (b, K), but for a constant."""
        action = self.action[rows]
        policy = actor.distribution(self.features[rows].flatten(0, 2))
        error = ((action.flatten(0, 2) - policy.mean) / policy.stddev).square() / 2 + policy.stddev.log()
        found: Tensor = -error.sum(-1).reshape(action.shape[:3]).sum(-1)
        return found
