"""The contract of encoders, over the registry; and that it finds what is wrong."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robo_rlhf.contracts.clauses import BrokenContractError, try_clause
from robo_rlhf.contracts.encoder import CONTRACT, EncoderTrial, reads_each_picture_by_itself
from robo_rlhf.vision.encoder import PictureEncoder
from robo_rlhf.vision.encoders import ENCODERS


@pytest.mark.parametrize("kind", list(ENCODERS))
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(kind: str, clause: Any) -> None:
    clause(EncoderTrial(ENCODERS[kind]))


def test_averages_over_a_batch_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Averaging(PictureEncoder):
        kind = "averaging"

        def __init__(self, size: int) -> None:
            super().__init__()
            self.features = 2
            self.norm = nn.BatchNorm2d(3)
            self.head = nn.Linear(3, 2)

        def forward(self, picture: Tensor) -> Tensor:
            seen: Tensor = self.norm(picture).square().mean((2, 3))
            found: Tensor = self.head(seen)
            return found

    monkeypatch.setitem(ENCODERS._items, "averaging", Averaging)
    with torch.random.fork_rng(), pytest.raises(BrokenContractError, match="group norm in the place of batch norm"):
        try_clause(reads_each_picture_by_itself, EncoderTrial, Averaging)
