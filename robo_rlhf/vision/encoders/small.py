"""A small convolutional network that says where in the picture things are."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from robo_rlhf.vision.encoder import PictureEncoder
from robo_rlhf.vision.encoders import ENCODERS
from robo_rlhf.vision.spatial_softmax import SpatialSoftmax


@ENCODERS.register("small")
class SmallEncoder(PictureEncoder):
    """Four convolutions and a spatial softmax."""

    kind = "small"
    example: ClassVar[Mapping[str, Any]] = {"width": 4, "features": 8}

    def __init__(self, size: int, *, width: int = 16, features: int = 64) -> None:
        """Build for pictures of `size` [pixels] a side.

        Args:
            size: of a picture.
            width: maps of the first convolution; the next two have twice, the last four times as many.
            features: length of the vector.
        """
        super().__init__()
        self.features = features
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 1),
        )
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):  # He et al. 2015: with smaller weights all pictures look alike at first
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # they have one
        self.where = SpatialSoftmax(4 * width, sharpness=4.0)
        self.head = nn.Sequential(nn.Linear(8 * width, features), nn.LayerNorm(features))

    def forward(self, picture: Tensor) -> Tensor:
        """Return (B, features) for pictures (B, 3, size, size) in [-1, 1]."""
        found: Tensor = self.head(self.where(self.body(picture)))
        return found
