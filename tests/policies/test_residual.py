import numpy as np
import torch

from robo_rlhf.policies.flow import FlowPolicy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.rollouts.rollout import rollout
from tests.toy import ToyEnv


def base() -> FlowPolicy:
    policy = FlowPolicy(6, 2, width=16)
    policy.normalizer.fit(torch.randn(100, 6))
    return policy


def test_starts_as_its_base() -> None:
    policy = base()
    residual = on_top_of(ResidualPolicy, policy, scale=0.2)
    policy.seed(1)
    residual.seed(1)
    one, other = (rollout(ToyEnv(4), p, np.arange(4)) for p in (policy, residual))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.action, b.action)


def test_correction_is_bounded_and_the_base_frozen() -> None:
    residual = on_top_of(ResidualPolicy, base(), scale=0.2)
    for parameter in residual.net.parameters():
        torch.nn.init.normal_(parameter, std=10.0)
    residual.reset(64)
    features = residual.features(np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32))
    change = residual.distribution(features).mean - features[:, 6:]
    assert change.abs().max() <= 0.2 + 1e-6
    assert change.abs().max() > 0.15
    assert all(not p.requires_grad for p in residual.base.parameters())


def test_each_step_advances_the_base_once() -> None:
    policy = base()
    residual = on_top_of(ResidualPolicy, policy)
    policy.seed(1)
    residual.seed(1)
    policy.reset(2)
    residual.reset(2)
    obs = np.zeros((2, 6), np.float32)
    for _ in range(15):
        features = residual.features(obs)
        residual.distribution(features)
        residual.distribution(features)
        np.testing.assert_array_equal(features[:, 6:].numpy(), policy.act(obs))
