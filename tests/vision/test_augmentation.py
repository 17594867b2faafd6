"""Random shifts and colours."""

import torch

from robo_rlhf.vision.augmentation import colour_jitter, random_shift


def test_a_shift_moves_each_example_as_a_whole_and_repeats_edges() -> None:
    place = torch.arange(6)[:, None] * 6 + torch.arange(6)
    picture = place[None, None, :, :, None].repeat(64, 2, 1, 1, 3).to(torch.uint8)
    moved = random_shift(picture, 2, torch.Generator().manual_seed(0))
    assert moved.shape == picture.shape
    assert torch.equal(moved[:, 0], moved[:, 1])
    found = set()
    for one in moved[:, 0, :, :, 0].long():
        row, column = one // 6, one % 6
        down, right = int(row[2, 2]) - 2, int(column[2, 2]) - 2
        assert torch.equal(row, (torch.arange(6) + down).clamp(0, 5)[:, None].expand(6, 6))
        assert torch.equal(column, (torch.arange(6) + right).clamp(0, 5).expand(6, 6))
        found.add((down, right))
    assert len(found) > 15
    assert max(map(abs, sum(found, ()))) == 2
    assert random_shift(picture, 0, torch.Generator()) is picture


def test_colours_change_alike_over_a_picture() -> None:
    picture = torch.full((8, 1, 4, 4, 3), 100, dtype=torch.uint8)
    changed = colour_jitter(picture, 0.1, torch.Generator().manual_seed(0))
    assert changed.dtype == torch.uint8
    assert (changed == changed[:, :, :1, :1]).all()
    assert 89 <= changed.min() < changed.max() <= 110
