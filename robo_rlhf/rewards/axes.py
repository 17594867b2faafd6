"""A reward head for each named axis: one reward model of another kind each, and their mean as the reward.

Answers about an axis train its head alone. What each head counts is set when a policy is trained, by an objective such
as "2 * learned(axis='safety') + learned(axis='speed')"; "learned" alone is the mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward
from robo_rlhf.vision.seen_episodes import NumberedPictures


@REWARDS.register("axes")
class AxesReward(RewardModel):
    """The mean over heads of each member's reward, every head in units of its own calibrated logits."""

    kind = "axes"
    example: ClassVar[Mapping[str, Any]] = {"axes": ["speed", "care"], "members": 4, "settings": {"width": 16}}

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        axes: Sequence[str] = ("overall",),
        of: str = "ensemble",
        members: int = 3,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Build the heads.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            axes: names of the heads.
            of: kind of each head.
            members: networks in the ensemble of each.
            settings: further settings of the heads.

        Raises:
            InvalidValueError: no axes, one twice, heads that have heads, or a setting that they do not have.
            UnknownNameError: no such kind of reward model.
        """
        given = dict(settings or {})
        super().__init__(obs_dim, act_dim, axes=list(axes), of=of, members=members, settings=given)
        if not axes or len(set(axes)) < len(axes) or of == self.kind:
            expected = f"different names, each with a reward model of another kind than {self.kind}"
            raise InvalidValueError("heads of a reward model", f"axes {', '.join(axes) or 'none'} of {of}", expected)
        self.axes, self.of = tuple(axes), of
        heads = [new_reward(of, obs_dim, act_dim, {"members": members, **given}) for _ in axes]
        self.heads = nn.ModuleList(heads)
        self.markovian, self.sight, self.rate = heads[0].markovian, heads[0].sight, heads[0].rate

    def head(self, axis: str) -> RewardModel:
        """Return the reward model of one axis.

        Raises:
            InvalidValueError: there is no such axis.
        """
        if axis not in self.axes:
            raise InvalidValueError("axis of the learned reward", repr(axis), f"one of {', '.join(self.axes)}")
        found: RewardModel = self.heads[self.axes.index(axis)]  # type: ignore[assignment]
        return found

    def look_at(self, pictures: NumberedPictures) -> None:
        """Let every head look up pictures here."""
        for axis in self.axes:
            self.head(axis).look_at(pictures)

    def take_encoder(self, encoder: nn.Module) -> None:
        """Let every head take the weights of the encoders of a policy."""
        for axis in self.axes:
            self.head(axis).take_encoder(encoder)

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the mean over the heads of the reward of each step by each member, (E, B, L)."""
        rewards = [head(obs, action, next_obs) / head.temperature for head in map(self.head, self.axes)]
        return torch.stack(rewards).mean(0)

    def fit_normalizer(self, obs: Tensor) -> None:
        """Set the z-scores of every head from data (M, obs_dim); raises as `RewardModel.fit_normalizer`."""
        super().fit_normalizer(obs[:, : self.obs_dim])
        for axis in self.axes:
            self.head(axis).fit_normalizer(obs)
