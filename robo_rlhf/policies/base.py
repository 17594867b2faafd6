"""The seam for trained policies: networks that imitate, and those that reinforcement learning can fine-tune."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from robo_rlhf.types import Array


class Chunks(NamedTuple):
    """A batch of training examples for imitation."""

    obs: Tensor  # (B, obs_dim) float32
    action: Tensor  # (B, H, act_dim) float32, the H actions from that observation on
    mask: Tensor  # (B, H) float32, 0 past the end of the episode
    weight: Tensor  # (B,) float32, how much each example counts


class TrainedPolicy(nn.Module):
    """A network that is a `Policy`. Normalisation lives inside it, as buffers, and so inside the checkpoint.

    Constructed by keyword arguments that are JSON values (kept as `settings`, so that a checkpoint can build it again)
    after `obs_dim` and `act_dim`.
    """

    kind: ClassVar[str]
    chunk: int = 1  # H: actions predicted from one observation

    def __init__(self, obs_dim: int, act_dim: int, **settings: float | int | str | bool) -> None:
        """Remember how to build the policy again."""
        super().__init__()
        self.obs_dim, self.act_dim, self.settings = obs_dim, act_dim, settings
        self.generator = torch.Generator().manual_seed(0)

    @abstractmethod
    def fit_normalizer(self, obs: Tensor, action: Tensor) -> None:
        """Set the normalisation from all training data, (M, obs_dim) and (M, act_dim)."""

    @abstractmethod
    def loss(self, batch: Chunks, generator: torch.Generator) -> Tensor:
        """Return the imitation loss, a scalar; all randomness comes from `generator`."""

    @abstractmethod
    def reset(self, num_envs: int) -> None:
        """Forget queued actions; episodes start in `num_envs` copies."""

    @abstractmethod
    def act(self, obs: Array) -> Array:
        """Map obs (N, obs_dim) to actions (N, act_dim) in [-1, 1], the best the policy knows, without exploration."""

    def seed(self, seed: int) -> None:
        """Set the source of the policy's own randomness (what a flow samples its noise from)."""
        self.generator.manual_seed(seed)


class GaussianActor(TrainedPolicy):
    """A policy with a tractable likelihood, which reinforcement learning can fine-tune.

    A step is `features(obs)`, once and in order, then `distribution(features)`, as often as the learner likes:
    a residual policy advances its frozen base in `features`; for a plain network they are the observation.
    """

    def features(self, obs: Array) -> Tensor:
        """Return what `distribution` sees for obs (N, obs_dim), as (N, feature_dim) float32."""
        return torch.as_tensor(obs, dtype=torch.float32)

    @abstractmethod
    def distribution(self, features: Tensor) -> torch.distributions.Normal:
        """Return the distribution of unclipped actions, mean and deviation (B, act_dim), for (B, feature_dim)."""
