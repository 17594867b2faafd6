"""Encoders of several cameras: shared or one each, and which pictures they refuse."""

import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError, ShapeError, UnknownNameError
from robo_rlhf.core.learning import seeded
from robo_rlhf.vision.encoder import CameraEncoder
from robo_rlhf.vision.encoders import ENCODERS
from robo_rlhf.vision.spatial_softmax import SpatialSoftmax

SIZE = 16


def of(kind: str, cameras: tuple[str, ...] = ("a", "b"), *, shared: bool = False) -> CameraEncoder:
    with seeded(0):
        return CameraEncoder(cameras, SIZE, kind, ENCODERS[kind].example, shared=shared)


def pictures(count: int = 3, side: int = SIZE) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {n: torch.randint(256, (count, side, side, 3), generator=draw, dtype=torch.uint8) for n in "ab"}


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_a_shared_encoder_gives_equal_pictures_equal_features(kind: str) -> None:
    seen = {"a": pictures()["a"], "b": pictures()["a"]}
    both = of(kind, shared=True)(seen).chunk(2, dim=-1)
    assert torch.equal(*both)
    apart = of(kind)(seen).chunk(2, dim=-1)
    assert not torch.allclose(*apart)


def test_pictures_with_a_history_are_read_one_by_one() -> None:
    encoder, seen = of("small"), pictures()
    assert torch.equal(encoder({n: p[:, None] for n, p in seen.items()})[:, 0], encoder(seen))


def test_wrong_pictures_are_refused() -> None:
    encoder, seen = of("small"), pictures()
    with pytest.raises(InvalidValueError, match="those of camera b"):
        encoder({"a": seen["a"]})
    for wrong in (seen["b"].movedim(-1, 1), seen["b"][..., :1], seen["b"][:, :8], pictures(side=24)["b"]):
        with pytest.raises(ShapeError, match=r"pictures of camera b.*\(N, 16, 16, 3\)"):
            encoder({**seen, "b": wrong})
    four = torch.cat([seen["b"], seen["b"][..., :1]], dim=-1)
    with pytest.raises(ShapeError, match="camera b"):
        encoder({**seen, "b": four})
    with pytest.raises(InvalidValueError, match="uint8 from 0 to 255"):
        encoder({**seen, "b": seen["b"].float()})


def test_unknown_encoders_and_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="small"):
        CameraEncoder(("a",), SIZE, "smal", {}, shared=False)
    with pytest.raises(InvalidValueError, match="some of width, features"):
        CameraEncoder(("a",), SIZE, "small", {"depth": 2}, shared=False)
    with pytest.raises(InvalidValueError, match="a multiple of its 16 groups"):
        CameraEncoder(("a",), SIZE, "resnet18", {"width": 8}, shared=False)


def test_spatial_softmax_says_where_a_map_is_bright() -> None:
    maps = torch.zeros(1, 1, 5, 9)
    maps[0, 0, 0, 8] = 50.0
    assert torch.allclose(SpatialSoftmax(1)(maps), torch.tensor([[1.0, -1.0]]), atol=1e-5)


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_an_untrained_encoder_tells_pictures_apart(kind: str) -> None:
    with seeded(0):
        encoder = ENCODERS[kind](96)
    shown = torch.zeros(4, 3, 96, 96)
    for i, place in enumerate((10, 30, 50, 70)):
        shown[i, :, place : place + 12, place : place + 12] = 1.0  # a thing somewhere in the picture
    assert encoder(shown).std(0).mean() > 0.1  # else learning begins with features that are nearly constant
