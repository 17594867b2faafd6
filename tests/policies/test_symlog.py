"""Symmetric-log features of observations."""

import torch

from robo_rlhf.policies.symlog import SymlogFeatures


def seen(share: float = 0.02) -> tuple[SymlogFeatures, torch.Tensor]:
    """Columns of the deviations 0.1, 10 and 0."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(4000, 3, generator=generator) * torch.tensor([0.1, 10.0, 0.0])
    near = SymlogFeatures(3, share)
    near.fit(data)
    return near, data


def test_columns_have_deviation_one_and_keep_their_order_and_sign() -> None:
    near, data = seen()
    found = near(data)
    torch.testing.assert_close(found[:, :2].std(0), torch.ones(2), atol=1e-3, rtol=0)
    order = data[:, 0].argsort()
    assert (found[order, 0].diff() >= 0).all()
    assert torch.isfinite(found).all()


def test_the_last_hundredth_of_a_deviation_is_seen_ten_times_as_large() -> None:
    near, _ = seen()
    there = near(torch.tensor([[0.001, 0.1, 0.0]])) - near(torch.zeros(1, 3))
    assert (there[0, :2] > 10 * 0.01).all()
    far = near(torch.tensor([[0.201, 20.1, 0.0]])) - near(torch.tensor([[0.2, 20.0, 0.0]]))
    assert (far[0, :2] < 0.01).all()
