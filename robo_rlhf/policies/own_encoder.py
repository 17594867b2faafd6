"""Encoders of a correction's own, which learn while those of the policy under it stay as they were cloned.

What a learner keeps of a step is the number of its look in place of features, which every update would change.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robo_rlhf.core.types import Array
from robo_rlhf.policies.base import Part
from robo_rlhf.vision.encoder import CameraEncoder

TOGETHER = 256  # pictures of a camera that are encoded at once


class _Looks(list[dict[str, Tensor]]):
    """The pictures (N, H, W, 3) uint8 by camera of each look; copies of a policy share them."""

    def __deepcopy__(self, memo: object) -> "_Looks":
        return self


class OwnEncoder(nn.Module):
    """A copy of the encoders of a policy, and the looks that it is asked about, by their numbers."""

    def __init__(self, encoder: CameraEncoder) -> None:
        """Begin as `encoder`."""
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(True)
        self.features = encoder.features
        self.looks = _Looks()

    def look(self, pictures: Mapping[str, Array]) -> None:
        """Remember the pictures (N, H, W, 3) uint8 of each camera as those of one more look."""
        self.looks.append({name: torch.from_numpy(pictures[name]) for name in self.encoder.cameras})

    def numbers(self, num_envs: int) -> Tensor:
        """Return the numbers (N, 1) float32 of the newest look."""
        return torch.arange(num_envs, dtype=torch.float32)[:, None] + (len(self.looks) - 1) * num_envs

    def forward(self, number: Tensor) -> Tensor:
        """Return features (B, features) of the looks of these numbers (B,); one that occurs often is encoded once."""
        found, where = torch.unique(number.long(), return_inverse=True)
        num_envs = len(next(iter(self.looks[0].values())))
        encoded = []
        for some in found.split(TOGETHER):
            which = [divmod(one, num_envs) for one in some.tolist()]
            shown = {name: torch.stack([self.looks[k][name][i] for k, i in which]) for name in self.encoder.cameras}
            encoded.append(self.encoder(shown))
        return torch.cat(encoded)[where]

    def parts(self, base: list[Part], step: Part) -> list[Part]:
        """Return the parts of a policy whose last is `step`, and the others those of `base`.

        Its own features follow those of `base`, whose parts do without.
        """
        eyes, *others = base

        def encode(*pictures: Tensor) -> Tensor:
            own = [self.encoder.one(index, picture) for index, picture in enumerate(pictures)]
            return torch.cat([eyes.function(*pictures), *own], dim=-1)

        return [eyes._replace(network=step.network, function=encode), *map(self._without, others), step]

    def _without(self, part: Part) -> Part:
        given = part.inputs["obs"] // part.history + self.features  # columns of one observation

        def function(obs: Tensor, *more: Tensor) -> Tensor:
            seen = torch.unflatten(obs, -1, (part.history, given))[..., : -self.features].flatten(-2)
            found: Tensor = part.function(seen, *more)
            return found

        return part._replace(function=function, inputs={**part.inputs, "obs": part.history * given})
