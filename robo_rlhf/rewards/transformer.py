"""A transformer reward model: the reward of a step may depend on the steps before it.

After Kim et al. 2023 ("Preference transformer"), but causal, so that the reward of a step never changes afterwards and
a learner can be given it. Each step sees at most `context` steps back, and only how far back they are (linear biases,
Press et al. 2022, "ALiBi"), so that what was learned on short clips holds at every place of a long episode.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.rewards import REWARDS
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.layers import Linear, Norm, rows


@REWARDS.register("transformer")
class TransformerReward(RewardModel):
    """Each member maps the steps up to one to the reward of that one, within ±gain."""

    kind = "transformer"
    example: ClassVar[Mapping[str, Any]] = {"members": 4, "width": 16}
    markovian = False

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        members: int = 3,
        width: int = 64,
        layers: int = 1,
        heads: int = 2,
        context: int = 32,
        gain: float = 0.1,
    ) -> None:
        """Build the networks.

        Args:
            obs_dim: size of an observation.
            act_dim: size of an action.
            members: networks in the ensemble.
            width: units of the stream, a multiple of `heads`.
            layers: blocks of attention and feed-forward.
            heads: heads of attention.
            context: steps that a step sees, itself included; those of several layers add up.
            gain: largest reward of a step.

        Raises:
            InvalidValueError: `width` is no multiple of `heads`, or `context` is below 1.
        """
        settings = {"width": width, "layers": layers, "heads": heads, "context": context, "gain": gain}
        super().__init__(obs_dim, act_dim, members=members, **settings)
        if heads < 1 or width % heads:
            raise InvalidValueError("width of a transformer reward", width, f"a multiple of its heads, {heads}")
        if context < 1:
            raise InvalidValueError("context of a transformer reward", context, "at least 1")
        self.context, self.gain = context, gain
        self.enter = Linear(members, obs_dim + act_dim, width)
        self.blocks = nn.ModuleList(_Block(members, width, heads) for _ in range(layers))
        self.norm = Norm(members, width)
        self.reward = Linear(members, width, 1)

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        """Return the reward of each step by each member, (E, B, L) within ±gain; L is time."""
        batch, steps = obs.shape[-3:-1]
        x = self.enter(rows(torch.cat([self.normalized(obs), action], -1), self.members))  # (E, B * L, width)
        if batch and steps:
            back = torch.arange(steps)[:, None] - torch.arange(steps)  # (L, L) steps back from each step
            for block in self.blocks:
                x = block(x, back, self.context)
        reward: Tensor = torch.tanh(self.reward(self.norm(x))) * self.gain
        return reward.view(self.members, batch, steps)


class _Block(nn.Module):
    """Attention over the steps before, then a feed-forward layer, each added to the stream."""

    def __init__(self, members: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.look, self.think = Norm(members, width), Norm(members, width)
        self.mix, self.out = Linear(members, width, 3 * width), Linear(members, width, width)
        self.feed = nn.Sequential(Linear(members, width, 2 * width), nn.GELU(), Linear(members, 2 * width, width))

    def forward(self, x: Tensor, back: Tensor, context: int) -> Tensor:
        """Map (E, B * L, width) to the same, for distances `back` (L, L) [steps]."""
        members, _, width = x.shape
        steps = len(back)
        parts = self.mix(self.look(x)).view(members, -1, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5).flatten(1, 2)  # (E * B, heads, L, width / heads) each
        slope = 2.0 ** -torch.arange(1, self.heads + 1)  # (heads,)
        bias = -slope[:, None, None] * back
        bias = bias.masked_fill((back < 0) | (back >= context), -torch.inf)  # (heads, L, L)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.out(seen.transpose(1, 2).reshape(members, -1, width))
        x = x + self.feed(self.think(x))
        return x
