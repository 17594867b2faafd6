"""Encoders, one file each, registered by name in `ENCODERS`: networks from a picture to a vector."""

from typing import TYPE_CHECKING

from robo_rlhf.core.registry import Registry

if TYPE_CHECKING:
    from robo_rlhf.vision.encoder import PictureEncoder

ENCODERS: "Registry[type[PictureEncoder]]" = Registry(
    "encoder", "robo_rlhf.vision.encoders", base="robo_rlhf.vision.encoder:PictureEncoder", called="kind"
)
