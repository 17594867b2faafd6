import numpy as np
import torch

from robo_rlhf.policies.base import Chunks
from robo_rlhf.policies.flow import FlowPolicy


def test_predicts_only_every_execute_steps_and_queues_the_rest() -> None:
    policy = FlowPolicy(6, 2, width=16, chunk=8, execution_horizon=4)
    policy.reset(3)
    obs = np.zeros((3, 6), np.float32)
    before = policy.generator.get_state()
    actions = [policy.act(obs) for _ in range(4)]
    policy.generator.set_state(before)
    with torch.inference_mode():
        chunk = policy.predict(torch.zeros(3, 6)).numpy()
    np.testing.assert_array_equal(np.stack(actions, axis=1), chunk[:, :4])
    after = policy.generator.get_state()
    policy.act(obs)
    assert not torch.equal(after, policy.generator.get_state())


def test_reset_drops_the_queue() -> None:
    policy = FlowPolicy(6, 2, width=16)
    policy.reset(3)
    policy.act(np.zeros((3, 6), np.float32))
    policy.reset(2)
    assert policy.act(np.zeros((2, 6), np.float32)).shape == (2, 2)


def test_finds_both_modes_where_a_mean_would_lie_between() -> None:
    torch.manual_seed(0)
    policy = FlowPolicy(1, 1, width=64, layers=2, chunk=1, execution_horizon=1)
    target = torch.where(torch.arange(256) % 2 == 0, -0.8, 0.8).view(256, 1, 1)
    policy.fit_normalizer(torch.zeros(256, 1), target.view(256, 1))
    batch = Chunks(torch.zeros(256, 1), target, torch.ones(256, 1), torch.ones(256))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        policy.loss(batch, generator).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    action = policy.act(np.zeros((500, 1), np.float32))[:, 0]
    assert (np.abs(np.abs(action) - 0.8) < 0.3).mean() > 0.85
    assert 0.35 < (action > 0).mean() < 0.65
