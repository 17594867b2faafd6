"""A reward that sees: which pictures it looks up, what members share, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from robo_rlhf.rewards.visual import VisualReward
from robo_rlhf.vision.encoder import CameraEncoder

SMALL = {"width": 2, "features": 3}


class Album:
    """Pictures of noise, and how many were looked up."""

    def __init__(self, count: int = 9) -> None:
        self.pictures = np.random.default_rng(0).integers(256, size=(count, 8, 8, 3)).astype(np.uint8)
        self.taken: list[int] = []

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, frame: Array) -> dict[str, Array]:
        self.taken += frame.reshape(-1).tolist()
        return {"eye": self.pictures[frame]}


def made(kind: str = "ensemble", **settings: object) -> VisualReward:
    """A reward of three members with one camera."""
    given = {"reward": kind, "settings": {"width": 8}, "cameras": ["eye"], "size": 8, "encoder_settings": SMALL}
    with seeded(0):
        model = new_reward("visual", 4, 2, {**given, "columns": [0, 2], **settings})
    assert isinstance(model, VisualReward)
    return model


def steps(numbers: Array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Steps whose observations end with these numbers, (B, L)."""
    rng = np.random.default_rng(1)
    obs = rng.normal(size=(*numbers.shape, 4)).astype(np.float32)
    seen = torch.from_numpy(np.concatenate([obs, numbers[..., None].astype(np.float32)], -1))
    return seen, torch.from_numpy(rng.uniform(-1, 1, (*numbers.shape, 2)).astype(np.float32)), seen


@pytest.mark.parametrize("kind", ["ensemble", "encoder", "transformer"])
@pytest.mark.parametrize("frozen", [False, True])
def test_every_kind_sees_the_picture_of_the_step_and_the_shown_columns(kind: str, frozen: bool) -> None:
    model, album = made(kind, frozen=frozen).eval(), Album()
    model.look_at(album)
    numbers = np.array([[0, 0, 1, 1], [5, 5, 6, 6]])
    obs, action, _ = steps(numbers)
    model.fit_normalizer(obs.flatten(0, 1))
    model.fit_steps(obs.flatten(0, 1), obs.flatten(0, 1))
    before = model(obs, action, obs)
    assert before.shape == (3, 2, 4)
    album.pictures[6] //= 2
    model.look_at(album)
    changed = (model(obs, action, obs) - before).abs().amax(0) > 1e-7
    assert changed.tolist() == [[False] * 4, [False, False, True, True]]
    obs[..., 1] += 1  # a column that is hidden
    model.look_at(Album())
    assert torch.allclose(model(obs, action, obs), before)
    loss = model.auxiliary_loss(*(x.flatten(0, 1).expand(3, -1, -1) for x in (obs, action, obs)))
    assert loss.shape == (3,)


def test_learned_encoders_belong_to_members_and_frozen_ones_learn_nothing() -> None:
    model = made()
    model.look_at(Album())
    reward = model(*steps(np.array([[0, 1, 2]])))
    reward[1].sum().backward()  # type: ignore[no-untyped-call]
    weights = {name: p for name, p in model.named_parameters() if name.startswith("encoder_")}
    assert weights
    assert all(p.grad is not None and p.grad[1].any() and not p.grad[[0, 2]].any() for p in weights.values())
    assert len({len(p) for p in model.parameters()}) == 1
    frozen = made(frozen=True)
    assert not any(name.startswith("encoder_") for name, _ in frozen.named_parameters())


def test_a_frozen_encoder_is_that_of_the_policy_and_reads_each_picture_once(tmp_path: Path) -> None:
    model, album = made(frozen=True), Album()
    encoder = CameraEncoder(("eye",), 8, "small", SMALL, shared=False)
    model.take_encoder(encoder)
    model.look_at(album)
    obs, action, _ = steps(np.array([[3, 3, 4], [4, 0, 0]]))
    with torch.no_grad():
        wanted = encoder({"eye": torch.from_numpy(album.pictures)})
        assert torch.allclose(model._seen(obs)[..., 2:], wanted[obs[..., -1].long()], atol=1e-6)
    model(obs, action, obs)
    assert sorted(album.taken) == list(range(9))
    model.fit_normalizer(obs.flatten(0, 1))
    save_reward(model, tmp_path / "reward.safetensors", {"task": "toy"})
    again = load_reward(tmp_path / "reward.safetensors", task="toy", obs_dim=4, act_dim=2)
    again.look_at(album)
    arrays = tuple(x.numpy() for x in (obs, action, obs))
    assert all(np.array_equal(a, b) for a, b in zip(model.predict(*arrays), again.predict(*arrays), strict=True))


def test_pictures_are_moved_while_it_learns_alone_and_alike_each_time() -> None:
    model = made(shift=2)
    model.look_at(Album())
    inputs = steps(np.array([[0, 1, 2]]))
    learning = model(*inputs)
    assert torch.equal(model(*inputs), learning)
    with torch.no_grad():
        judging = model(*inputs)
    assert not torch.allclose(judging, learning)


def test_what_it_cannot_see_is_refused() -> None:
    model = made()
    obs, action = np.zeros((2, 4), np.float32), np.zeros((2, 2), np.float32)
    with pytest.raises(InvalidValueError, match="expected pictures of eye too, as this reward was trained with"):
        model.predict(obs, action, obs)
    with pytest.raises(InvalidValueError, match="rate of reward visual: expected pictures a second"):
        made(rate=0.0)
    with pytest.raises(InvalidValueError, match="encoder to take over"):
        made(frozen=True).take_encoder(CameraEncoder(("eye",), 8, "small", {}, shared=False))
    with pytest.raises(InvalidValueError, match="another kind"):
        made("visual")
