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
    flat = picture.reshape(count, -1, high, wide, picture.shape[-1])
    rows = flat.movedim(1, 2)[torch.arange(count)[:, None], row]  # (B, H, K, W, C): whole rows are copied fast
    edges = (
        rows[..., :1, :].expand(*rows.shape[:-2], reach, -1),
        rows[..., -1:, :].expand(*rows.shape[:-2], reach, -1),
    )
    padded = torch.cat([edges[0], rows, edges[1]], dim=-2)
    first = (move[1, :, 0] + reach).tolist()
    shifted = torch.stack([one[..., start : start + wide, :] for one, start in zip(padded, first, strict=True)])
    return shifted.movedim(2, 1).reshape(picture.shape)


def colour_jitter(picture: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return pictures (B, ..., 3) uint8 whose channels are scaled by up to `share`, each example by its own three."""
    if not share:
        return picture
    scale = 1 + share * (2 * torch.rand((len(picture), *[1] * (picture.ndim - 2), 3), generator=generator) - 1)
    return picture.float().mul_(scale).clamp_(0, 255).to(torch.uint8)  # in place: three times as fast
