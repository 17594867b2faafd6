"""Base class of reward models, which map steps to rewards. The ensemble axis is always present."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError, ShapeError
from robo_rlhf.core.model_files import Model
from robo_rlhf.core.types import Array

if TYPE_CHECKING:
    from torch import nn

    from robo_rlhf.vision.seen_episodes import NumberedPictures
    from robo_rlhf.vision.sight import Sight

OBS_FLOOR = 1e-3  # lower bound of a column's deviation
OUTPUT_FLOOR = 1e-3  # lower bound of a deviation: a nearly constant model is not amplified
OBS_LIMIT = 10.0  # z-scores beyond it were never seen


class RewardModel(Model):
    """E reward models in parallel. Normalisation is stored as buffers, and so in the checkpoint.

    Constructed by `obs_dim`, `act_dim` and keyword arguments that are JSON values (kept as `settings`, so that a
    checkpoint can build it again); one of them is `members`, E.

    `forward` gives the raw reward that preferences are explained by: the logit of a clip is the sum of it over the
    clip's steps, divided by `temperature`. `predict` gives the reward that a learner sees: mean and deviation over the
    members of their rewards, each brought to mean 0 and deviation 1 over the data that `fit_output` saw, because
    preferences leave each member's offset and scale open.
    """

    markovian: bool = True  # else the reward of a step depends on the steps before it, never on later ones
    dynamics_aware: bool = False  # whether `auxiliary_loss` is used
    sight: "Sight | None" = None  # its cameras
    rate: float = 0.0  # pictures a second that it sees, where it has cameras
    obs_mean: Tensor
    obs_std: Tensor
    output_mean: Tensor
    output_std: Tensor
    temperature: Tensor

    def __init__(self, obs_dim: int, act_dim: int, *, members: int, **settings: Any) -> None:
        """Store the settings, so that the model can be rebuilt.

        Raises:
            InvalidValueError: no members.
        """
        super().__init__(obs_dim, act_dim, members=members, **settings)
        if members < 1:
            raise InvalidValueError("members of a reward model", members, "at least 1")
        self.members = members
        self.register_buffer("obs_mean", torch.zeros(obs_dim))
        self.register_buffer("obs_std", torch.ones(obs_dim))
        self.register_buffer("output_mean", torch.zeros(members))
        self.register_buffer("output_std", torch.ones(members))
        self.register_buffer("temperature", torch.ones(()))

    @property
    def seen_dim(self) -> int:
        """Columns of an observation that it gets: with cameras one more, the last, the number of a picture."""
        return self.obs_dim + (self.sight is not None)

    def look_at(self, pictures: "NumberedPictures") -> None:
        """Look up pictures here, by the numbers in the last column of observations; nothing without cameras."""

    def take_encoder(self, encoder: "nn.Module") -> None:
        """Take the weights of the encoders of a policy; nothing without cameras."""

    @abstractmethod
    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the reward of each step by each member, (E, B, L).

        Args:
            obs: (B, L, obs_dim), the same for all members, or (E, B, L, obs_dim).
            action: (B, L, act_dim) or (E, B, L, act_dim), in [-1, 1].
            next_obs: as `obs`, one step later.
        """

    def fit_normalizer(self, obs: Tensor) -> None:
        """Set the z-scores of observations from data (M, obs_dim).

        Raises:
            NonFiniteError: the data hold NaN or infinity.
        """
        if not torch.isfinite(obs).all():
            raise NonFiniteError("An observation", "data for a reward model", "Verify the episodes it comes from.")
        self.obs_mean.copy_(obs.mean(0))
        self.obs_std.copy_(obs.std(0, correction=0).clamp_min(OBS_FLOOR))

    def fit_steps(self, obs: Tensor, next_obs: Tensor) -> None:
        """Set further scales from steps (M, obs_dim), after `fit_normalizer`; nothing in most models."""

    def auxiliary_loss(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return each member's self-supervised loss (E,) on steps without answers; only of dynamics-aware models.

        Args:
            obs: (E, R, obs_dim).
            action: (E, R, act_dim).
            next_obs: (E, R, obs_dim).
        """
        return torch.zeros(self.members)

    def normalized(self, obs: Tensor) -> Tensor:
        """Return the z-scores of observations (..., obs_dim)."""
        return ((obs - self.obs_mean) / self.obs_std).clamp(-OBS_LIMIT, OBS_LIMIT)

    def fit_output(self, reward: Tensor) -> None:
        """Set the standardisation of `predict` from raw rewards of each member, (E, M)."""
        self.output_mean.copy_(reward.mean(1))
        self.output_std.copy_(reward.std(1, correction=0).clamp_min(OUTPUT_FLOOR))

    @torch.inference_mode()
    def predict(self, obs: Array, action: Array, next_obs: Array) -> tuple[Array, Array]:
        """Return the standardised reward, mean and deviation over the members, (B,) or (B, L) float32.

        Args:
            obs: (B, seen_dim) or (B, L, seen_dim), where L is time.
            action: (B, act_dim) or (B, L, act_dim), in [-1, 1].
            next_obs: as `obs`, one step later.

        Raises:
            ShapeError: arrays of other shapes.
            InvalidValueError: it has cameras and got columns alone.
            NonFiniteError: NaN or infinity in an input.
        """
        lead = obs.shape[:-1]
        if self.sight is not None and obs.shape[-1] == self.obs_dim:
            expected = f"pictures of {', '.join(self.sight.cameras)} too, as this reward was trained with"
            raise InvalidValueError("observations for a reward with cameras", "columns alone", expected)
        inputs = []
        for name, array, dim in (
            ("obs", obs, self.seen_dim),
            ("action", action, self.act_dim),
            ("next_obs", next_obs, self.seen_dim),
        ):
            if array.shape != (*lead, dim):
                raise ShapeError(f"{name} for a reward model", (*lead, dim), array.shape)
            inputs.append(torch.as_tensor(array, dtype=torch.float32).reshape(*_two(lead), dim))
        if 0 in lead:
            return np.zeros(lead, np.float32), np.zeros(lead, np.float32)
        raw = self(*inputs)  # (E, B, L)
        reward = (raw - self.output_mean[:, None, None]) / self.output_std[:, None, None]
        if not torch.isfinite(reward).all() or not all(torch.isfinite(x).all() for x in inputs):
            raise NonFiniteError("A reward", "prediction of a reward model", "Its inputs hold NaN or infinity.")
        mean, std = reward.mean(0), reward.std(0, correction=0)
        return mean.reshape(lead).numpy(), std.reshape(lead).numpy()


def _two(lead: tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch and step axes for leading axes (B,) or (B, L)."""
    if len(lead) not in (1, 2):
        raise ShapeError("obs for a reward model", ("B", "L", "obs_dim"), (*lead, -1))
    return lead if len(lead) == 2 else (*lead, 1)
