"""Changes of pictures that change nothing of what is to be done: what a network learns from them it learns more of."""

import torch
from torch import Tensor


def random_shift(picture: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Return pictures (B, ..., H, W, C), each moved by up to `reach` [pixels] both ways, its edges repeated.

    Yarats et al. 2021 ("Image Augmentation Is All You Need"). All pictures of an example are moved alike.
    """
    if not reach:
        return picture
    count, (high, wide) = len(picture), picture.shape[-3:-1]
    move = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator)
    row = (torch.arange(high) + move[0]).clamp(0, high - 1)  # (B, H)
    column = (torch.arange(wide) + move[1]).clamp(0, wide - 1)  # (B, W)
    flat = picture.reshape(count, -1, high, wide, picture.shape[-1])
    which = torch.arange(count)[:, None, None]
    return flat.movedim(1, 3)[which, row[:, :, None], column[:, None]].movedim(3, 1).reshape(picture.shape)


def colour_jitter(picture: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return pictures (B, ..., 3) uint8 whose channels are scaled by up to `share`, each example by its own three."""
    if not share:
        return picture
    scale = 1 + share * (2 * torch.rand((len(picture), *[1] * (picture.ndim - 2), 3), generator=generator) - 1)
    return (picture * scale).clamp(0, 255).to(torch.uint8)
