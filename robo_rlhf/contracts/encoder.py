"""The contract of encoders: networks from pictures to vectors."""

from collections.abc import Mapping

import torch

from robo_rlhf.contracts.clauses import Contract, require
from robo_rlhf.core.learning import seeded
from robo_rlhf.vision.encoder import CameraEncoder, PictureEncoder
from robo_rlhf.vision.encoders import ENCODERS

SIZE, COUNT = 16, 3  # pixels a side of a picture; pictures


class EncoderTrial:
    """A kind of encoder on trial, with the settings of a small one, of two cameras."""

    def __init__(self, kind: type[PictureEncoder]) -> None:
        """Use the kind's own example."""
        self.kind = kind

    def make(self, *, shared: bool = False) -> CameraEncoder:
        """Return an untrained one; the same weights at every call."""
        with seeded(0):
            return CameraEncoder(("a", "b"), SIZE, self.kind.kind, self.kind.example, shared=shared)

    def pictures(self) -> Mapping[str, torch.Tensor]:
        """Return pictures of both cameras."""
        draw = torch.Generator().manual_seed(0)
        shape = (COUNT, SIZE, SIZE, 3)
        return {name: torch.randint(256, shape, generator=draw, dtype=torch.uint8) for name in "ab"}


def gives_vectors_of_its_length(trial: EncoderTrial) -> None:
    """A picture becomes a finite vector of `features` numbers."""
    found = trial.make()(trial.pictures())
    wanted = (COUNT, 2 * trial.make().each)
    forward = trial.kind.forward
    require(found.shape == wanted, f"two cameras give {tuple(found.shape)}, expected {wanted}", forward)
    require(torch.isfinite(found).all(), "a feature is NaN or infinite", forward)


def reads_each_picture_by_itself(trial: EncoderTrial) -> None:
    """What is seen in a picture does not depend on the others of a batch."""
    encoder, seen = trial.make().train(), trial.pictures()
    alone = encoder({name: picture[1:2] for name, picture in seen.items()})
    text = "features depend on the other pictures of a batch; use group norm in the place of batch norm"
    require(torch.allclose(encoder(seen)[1:2], alone, atol=1e-4), text, trial.kind.forward)


def tells_pictures_apart(trial: EncoderTrial) -> None:
    """Other pictures are other vectors."""
    found = trial.make()(trial.pictures())
    require(not torch.allclose(found[0], found[1], atol=1e-6), "all pictures give the same", trial.kind.forward)


def learns_with_all_its_weights(trial: EncoderTrial) -> None:
    """Every weight that can be learned gets a gradient."""
    encoder = trial.make()
    draw = torch.Generator().manual_seed(1)
    found = encoder(trial.pictures())
    (found * torch.randn(found.shape, generator=draw)).sum().backward()
    left = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    require(not left, f"no gradient reaches {', '.join(left)}", trial.kind.forward)


CONTRACT = Contract(
    ENCODERS,
    EncoderTrial,
    (
        gives_vectors_of_its_length,
        reads_each_picture_by_itself,
        tells_pictures_apart,
        learns_with_all_its_weights,
    ),
)
