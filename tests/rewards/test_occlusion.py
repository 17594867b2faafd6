"""Where a reward looks that is known: one corner of one camera, in each picture."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from robo_rlhf.core.types import Array
from robo_rlhf.rewards.occlusion import GRID, SIDE, drawn, occlude
from robo_rlhf.rewards.visual import VisualReward

CORNER = slice(0, 2), slice(6, 8)  # squares, which are two pixels wide


class Album:
    """Noise by two cameras."""

    pictures = np.random.default_rng(0).integers(256, size=(2, 20, 16, 16, 3)).astype(np.uint8)

    def __len__(self) -> int:
        return 20

    def take(self, frame: Array) -> dict[str, Array]:
        return {"eye": self.pictures[0][frame], "hand": self.pictures[1][frame]}


class Known(VisualReward):
    """Rewards how red the upper right corner of `eye` is."""

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        assert self.pictures is not None
        seen = self.pictures.take(next_obs[..., -1].long().numpy())["eye"]
        red = torch.from_numpy(seen[..., :4, 12:, 0].astype(np.float32)).mean((-1, -2))
        return torch.stack([red, 2 * red])


def clips() -> tuple[Array, Array]:
    obs = np.random.default_rng(1).normal(size=(5, 4, 3)).astype(np.float32)
    obs[..., -1] = np.arange(20).reshape(5, 4)
    return obs, np.zeros((5, 3, 1), np.float32)


def test_the_corner_that_is_rewarded_is_all_that_counts() -> None:
    model = Known(2, 1, members=2, cameras=["eye", "hand"], size=16, encoder_settings={"width": 2, "features": 2})
    album = Album()
    assert occlude(model, *clips()) == {}  # it looks at none yet
    model.look_at(album)
    found = occlude(model, *clips())
    assert model.pictures is album
    assert not found["hand"].weight.any()
    weight = found["eye"].weight
    assert weight.max() == pytest.approx(1.0)
    assert (weight[CORNER] > 0.05).all()
    assert weight.sum() == pytest.approx(weight[CORNER].sum())
    picture = cv2.imdecode(np.frombuffer(drawn(found["eye"]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (SIDE, SIDE, 3)
    plain = cv2.resize(found["eye"].picture[..., ::-1], (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    far = SIDE // GRID * 4
    assert np.array_equal(picture[far:], plain[far:])
    assert not np.array_equal(picture[:far], plain[:far])


def test_a_reward_without_cameras_has_no_place_to_look_at() -> None:
    model = VisualReward(2, 1, members=2, columns=[0], settings={"width": 4})
    assert occlude(model, *clips()) == {}
