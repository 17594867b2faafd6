"""An encoder of a user's own."""

from torch import Tensor, nn

from robo_rlhf.vision.encoder import PictureEncoder


class Flat(PictureEncoder):
    """One layer over all pixels."""

    kind = "flat"

    def __init__(self, size: int, *, features: int = 8) -> None:
        """Build for pictures of `size` [pixels] a side."""
        super().__init__()
        self.features = features
        self.net = nn.Linear(3 * size * size, features)

    def forward(self, picture: Tensor) -> Tensor:
        """Return (B, features) for pictures (B, 3, size, size)."""
        found: Tensor = self.net(picture.flatten(1))
        return found
