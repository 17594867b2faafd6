"""Contract of every registered policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Policy
from robo_rlhf.data.training_arrays.examples import chunk_examples
from robo_rlhf.policies import POLICIES
from robo_rlhf.policies.base import Chunks, GaussianActor, TrainedPolicy
from robo_rlhf.policies.checkpoint import load_meta, load_policy, save_policy
from robo_rlhf.rollouts.rollout import rollout
from tests.toy import ToyEnv, demonstrations

SMALL: dict[str, dict[str, Any]] = {kind: {"width": 16} for kind in POLICIES}
SMALL["act"] |= {"layers": 1, "chunk": 6}  # quick
VARIANTS = [
    *SMALL.items(),
    ("gaussian", {"width": 16, "std": "state", "loss": "nll", "mean": "tanh", "activation": "silu"}),
    ("gaussian", {"width": 16, "std": "fixed", "layers": 1}),
    ("flow", {"width": 16, "history": 2, "chunk": 5, "execution_horizon": 3, "flow_steps": 2}),
    ("flow", {"width": 16, "noise": 0.0}),
    ("flow", {"width": 16, "history": 2, "symlog": 0.02}),
    ("residual", {"width": 16, "base_kind": "flow", "base_settings": {"width": 16, "history": 2}}),
    ("mixture", {"width": 16, "history": 2, "chunk": 5, "execution_horizon": 3, "modes": 2, "sample": True}),
    (
        "act",
        {"width": 16, "heads": 2, "layers": 1, "history": 2, "chunk": 5, "execution_horizon": 3, "ensemble": False},
    ),
    ("act", {"width": 16, "chunk": 4, "execution_horizon": 7}),
    ("tanh_gaussian", {"width": 16, "base_kind": "flow", "base_settings": {"width": 16, "history": 2}, "scale": 0.2}),
    ("recurrent", {"width": 16, "layers": 2, "history": 3, "chunk": 1}),
]
EPISODES = demonstrations(4)


def make(kind: str, settings: dict[str, Any], seed: int = 0) -> TrainedPolicy:
    with seeded(seed):
        policy = POLICIES[kind](6, 2, **settings)
    obs = torch.from_numpy(np.concatenate([e.obs[:-1] for e in EPISODES]))
    policy.fit_normalizer(obs, torch.from_numpy(np.concatenate([e.action for e in EPISODES])))
    return policy


def batch_for(policy: TrainedPolicy) -> Chunks:
    return Chunks(*map(torch.from_numpy, chunk_examples(EPISODES, policy.chunk, policy.history)))


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_is_a_policy_that_acts_in_range(kind: str, settings: dict[str, Any]) -> None:
    policy = make(kind, settings)
    assert isinstance(policy, Policy)
    assert policy.kind == kind
    for n in (1, 5):
        policy.reset(n)
        for t in range(20):
            obs = np.full((n, 6), 1e3 * (t % 3), np.float32)
            action = policy.act(obs)
            assert action.shape == (n, 2)
            assert action.dtype == np.float32
            assert np.abs(action).max() <= 1.0


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_same_seed_same_rollout(kind: str, settings: dict[str, Any]) -> None:
    policy, found = make(kind, settings), []
    for _ in range(2):
        policy.seed(3)
        found.append(rollout(ToyEnv(3), policy, np.arange(5)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.action, other.action)


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_a_copy_does_not_depend_on_the_others(kind: str, settings: dict[str, Any]) -> None:
    policy, rng, found = make(kind, settings), np.random.default_rng(0), []
    seen = rng.normal(size=(12, 6)).astype(np.float32)
    for _ in range(2):
        policy.seed(3)
        policy.reset(4)
        others = rng.normal(size=(12, 4, 6)).astype(np.float32)
        others[:, 1] = seen
        found.append([policy.act(obs)[1] for obs in others])
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_a_reset_forgets_the_episode_before(kind: str, settings: dict[str, Any]) -> None:
    policy, rng, found = make(kind, settings), np.random.default_rng(0), []
    seen = rng.normal(size=(5, 3, 6)).astype(np.float32)
    for _ in range(2):
        policy.seed(3)
        policy.reset(3)
        found.append([policy.act(obs) for obs in seen])
        policy.act(1e2 * seen[0])
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_checkpoint_builds_the_same_policy(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    policy = make(kind, settings)
    save_policy(policy, tmp_path / "p.safetensors", {"task": "toy", "note": "x"})
    loaded = load_policy(tmp_path / "p.safetensors", task="toy", obs_dim=6, act_dim=2)
    assert type(loaded) is type(policy)
    assert load_meta(tmp_path / "p.safetensors")["note"] == "x"
    policy.seed(0)
    one, other = (rollout(ToyEnv(2), p, np.arange(2)) for p in (policy, loaded))
    np.testing.assert_array_equal(one[1].action, other[1].action)


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_loss_comes_from_the_generator_and_falls(kind: str, settings: dict[str, Any]) -> None:
    policy = make(kind, settings)
    batch = batch_for(policy)
    first = [policy.loss(batch, torch.Generator().manual_seed(1)).item() for _ in range(2)]
    assert first[0] == first[1]
    parameters = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        policy.loss(batch, torch.Generator().manual_seed(1)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert policy.loss(batch, torch.Generator().manual_seed(1)).item() < first[0]


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_examples_without_weight_or_past_the_end_teach_nothing(kind: str, settings: dict[str, Any]) -> None:
    policy = make(kind, settings)
    batch = batch_for(policy)
    weight = torch.zeros_like(batch.weight)
    weight[:10] = 1.0
    spoilt = batch.action.clone()
    spoilt[10:] = 1.0
    spoilt[batch.mask == 0] = -1.0
    one = policy.loss(batch._replace(weight=weight), torch.Generator().manual_seed(1))
    other = policy.loss(batch._replace(weight=weight, action=spoilt), torch.Generator().manual_seed(1))
    assert one.item() == pytest.approx(other.item(), rel=1e-5)


@pytest.mark.parametrize(("kind", "settings"), [v for v in VARIANTS if issubclass(POLICIES[v[0]], GaussianActor)])
def test_actor_acts_by_the_mean_of_its_distribution(kind: str, settings: dict[str, Any]) -> None:
    policy = make(kind, settings)
    assert isinstance(policy, GaussianActor)
    obs = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    policy.seed(0)
    policy.reset(7)
    distribution = policy.distribution(policy.features(obs))
    assert distribution.mean.shape == distribution.stddev.shape == (7, 2)
    assert (distribution.stddev > 0).all()
    policy.seed(0)
    policy.reset(7)
    np.testing.assert_allclose(policy.act(obs), distribution.mean.detach().clamp(-1, 1).numpy(), rtol=1e-6)
    distribution.log_prob(distribution.mean.detach() + 0.1).sum().backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None for p in policy.parameters())
