"""ResNet-18 (He et al. 2016) with group norm (Wu and He 2018) in the place of batch norm.

Averages over a batch would make the action of one copy depend on the others, and disagree with averaged weights.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_rlhf.core.checks import at_least
from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.vision.encoder import PictureEncoder
from robo_rlhf.vision.encoders import ENCODERS
from robo_rlhf.vision.spatial_softmax import SpatialSoftmax


@ENCODERS.register("resnet18")
class ResNet18(PictureEncoder):
    """Eight residual blocks, then where maps are active and how much; 11 million weights at the usual width."""

    kind = "resnet18"
    example: ClassVar[Mapping[str, Any]] = {"width": 8, "features": 8, "groups": 4}

    def __init__(self, size: int, *, width: int = 64, features: int = 64, groups: int = 16) -> None:
        """Build for pictures of `size` [pixels] a side.

        Args:
            size: of a picture.
            width: maps of the first blocks; each of three later stages has twice as many as the one before.
            features: length of the vector.
            groups: that maps are normalised in.

        Raises:
            InvalidValueError: `width` is no multiple of `groups`, or there are none.
        """
        super().__init__()
        at_least(1).check("groups of encoder resnet18", groups)
        if width % groups:
            raise InvalidValueError("width of encoder resnet18", width, f"a multiple of its {groups} groups")
        self.features = features
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False), nn.GroupNorm(groups, width), nn.ReLU()
        )
        sizes = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                _Residual(before if first else after, after, 2 if first and stage else 1, groups)
                for stage, (before, after) in enumerate(pairwise(sizes))
                for first in (True, False)
            )
        )
        self.where = SpatialSoftmax(sizes[-1])
        self.head = nn.Sequential(nn.Linear(3 * sizes[-1], features), nn.LayerNorm(features))

    def forward(self, picture: Tensor) -> Tensor:
        """Return (B, features) for pictures (B, 3, size, size) in [-1, 1]."""
        seen = functional.max_pool2d(self.stem(picture), 3, stride=2, padding=1)
        maps = self.stages(seen)
        found: Tensor = self.head(torch.cat([self.where(maps), maps.mean((2, 3))], dim=-1))
        return found


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int, groups: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.GroupNorm(groups, after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.GroupNorm(groups, after),
        )
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.GroupNorm(groups, after))
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))
