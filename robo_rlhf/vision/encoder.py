"""Base class of encoders, and the part of a network that turns the pictures of several cameras into one vector."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robo_rlhf.core.errors import InvalidValueError, ShapeError
from robo_rlhf.vision.encoders import ENCODERS
from robo_rlhf.vision.torch_device import torch_device

NOTHING: Mapping[str, Any] = MappingProxyType({})


class PictureEncoder(nn.Module, ABC):
    """A network from pictures of one size to vectors. Constructed by `size` and keyword arguments, JSON values."""

    kind: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = NOTHING  # settings of a small one, for the contract
    features: int  # length of a vector

    @abstractmethod
    def forward(self, picture: Tensor) -> Tensor:
        """Return (B, features) for pictures (B, 3, size, size) in [-1, 1]."""


class CameraEncoder(nn.Module):
    """The encoders of several cameras: one for all of them, or one each."""

    def __init__(
        self, cameras: Sequence[str], size: int, kind: str, settings: Mapping[str, Any], *, shared: bool
    ) -> None:
        """Build them.

        Raises:
            UnknownNameError: no such kind of encoder.
            InvalidValueError: a setting that it does not have.
        """
        super().__init__()
        build = ENCODERS[kind]
        known = list(inspect.signature(build).parameters)[1:]  # after size
        unknown = ", ".join(sorted(set(settings) - set(known)))
        if unknown:
            raise InvalidValueError(f"settings of encoder {kind}", unknown, f"some of {', '.join(known) or 'none'}")
        self.cameras, self.size = tuple(cameras), size
        self.encoders = nn.ModuleList(build(size, **settings) for _ in range(1 if shared else len(self.cameras)))
        self.each: int = self.encoders[0].features  # type: ignore[assignment]  # of an encoder, not of a module
        self.features = self.each * len(self.cameras)

    def forward(self, pictures: Mapping[str, Tensor]) -> Tensor:
        """Return (..., features) for the pictures of each camera, (..., H, W, 3) uint8.

        Raises:
            ShapeError, InvalidValueError: a camera is missing, or its pictures are of another size or type.
        """
        found = [self.one(index, self._taken(name, pictures)) for index, name in enumerate(self.cameras)]
        return torch.cat(found, dim=-1)

    def one(self, index: int, picture: Tensor) -> Tensor:
        """Return (..., features of one) for pictures (..., H, W, 3) uint8 of camera `index`."""
        lead = picture.shape[:-3]
        flat = picture.reshape(-1, *picture.shape[-3:]).permute(0, 3, 1, 2)  # which is channels last in memory
        encoder, device = self.encoders[index % len(self.encoders)], torch_device()
        if device is None:
            encoded: Tensor = encoder(flat.float().div_(127.5).sub_(1.0))
            return encoded.float().view(*lead, self.each)
        moved = {name: value.to(device) for name, value in chain(encoder.named_parameters(), encoder.named_buffers())}
        found: Tensor = torch.func.functional_call(encoder, moved, (flat.to(device).float() / 127.5 - 1.0,))
        return found.to(flat.device, torch.float32).view(*lead, self.each)

    def _taken(self, name: str, pictures: Mapping[str, Tensor]) -> Tensor:
        if name not in pictures:
            raise InvalidValueError("pictures", ", ".join(pictures) or "none", f"those of camera {name}")
        picture, side = pictures[name], self.size
        if picture.ndim < 4 or picture.shape[-3:] != (side, side, 3):
            raise ShapeError(f"pictures of camera {name}", ("N", side, side, 3), tuple(picture.shape))
        if picture.dtype != torch.uint8:
            raise InvalidValueError(f"pictures of camera {name}", f"dtype {picture.dtype}", "uint8 from 0 to 255")
        return picture
