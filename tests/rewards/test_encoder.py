import numpy as np
import pytest
import torch

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from robo_rlhf.rewards.encoder import EncoderReward

NOISE = 0.05


def world(obs: Array, action: Array, rng: np.random.Generator) -> Array:
    """A point (2) that is pushed, with noise on its speed (2), and a clock (1) that stands still."""
    position, speed, still = obs[:, :2], obs[:, 2:4], obs[:, 4:]
    faster = 0.8 * speed + 0.3 * action + NOISE * rng.standard_normal(speed.shape)
    return np.hstack([position + 0.2 * speed, faster, still]).astype(np.float32)


def steps(count: int, seed: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    obs = np.hstack([rng.normal(size=(count, 4)), np.ones((count, 1))]).astype(np.float32)
    action = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    return obs, action, world(obs, action, rng)


@pytest.fixture(scope="module")
def model() -> EncoderReward:
    with seeded(0):
        model = new_reward("encoder", 5, 2, {"members": 3, "width": 64, "latent": 16, "dynamics": 1.0})
    assert isinstance(model, EncoderReward)
    obs, action, after = (torch.from_numpy(x) for x in steps(2000, 0))
    model.fit_normalizer(obs)
    model.fit_steps(obs, after)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        rows = torch.randint(len(obs), (3, 128), generator=generator)
        loss = model.auxiliary_loss(obs[rows], action[rows], after[rows]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.inference_mode()
def predict_next(model: EncoderReward, obs: Array, action: Array) -> tuple[Array, Array]:
    """Each member's mean and deviation of the next observation, (E, B, obs_dim) float32 each."""
    seen = torch.as_tensor(obs)
    before = model.normalized(seen).expand(model.members, -1, -1)
    _, change, log_std = model._next(before, torch.as_tensor(action).expand(model.members, -1, -1))
    unit = model.change_std * model.obs_std
    return (seen + change * unit).numpy(), (log_std.exp() * unit).numpy()


def test_the_next_observation_is_foretold(model: EncoderReward) -> None:
    obs, action, after = steps(500, 1)
    mean, std = predict_next(model, obs, action)
    assert mean.shape == std.shape == (3, 500, 5)
    assert mean.dtype == std.dtype == np.float32
    error = np.abs(mean - after).mean((0, 1))
    standing = np.abs(obs - after).mean(0)
    assert (error[:2] < 0.3 * standing[:2]).all()
    assert (error[2:4] < 0.06).all(), "the noise alone makes 0.04"
    assert error[4] < 1e-3, "what stands still is foretold to stand still"


def test_how_sure_it_is_fits_how_wrong_it_is(model: EncoderReward) -> None:
    obs, action, after = steps(500, 2)
    mean, std = predict_next(model, obs, action)
    assert np.median(std[..., 2:4]) == pytest.approx(NOISE, rel=0.5)
    surprise = (after[:, 2:4] - mean[..., 2:4]) / std[..., 2:4]
    assert 0.7 < surprise.std() < 1.6


def test_dynamics_are_in_the_checkpoint(model: EncoderReward, tmp_path: object) -> None:
    path = tmp_path / "reward.safetensors"  # type: ignore[operator]
    save_reward(model, path, {"task": "toy"})
    again = load_reward(path)
    assert isinstance(again, EncoderReward)
    obs, action, _ = steps(5, 4)
    np.testing.assert_array_equal(predict_next(again, obs, action)[0], predict_next(model, obs, action)[0])
