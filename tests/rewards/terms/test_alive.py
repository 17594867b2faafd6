"""The reward term for staying alive."""

from dataclasses import replace

import numpy as np

from robo_rlhf.contracts.term import steps
from robo_rlhf.rewards.reward_sum import RewardSum


def test_only_steps_until_the_end_count() -> None:
    whole = steps()
    active = np.arange(40)[:, None] < np.array([40, 7, 1])
    total, means = RewardSum("learned + 0.5 * alive")(replace(whole, active=active))
    assert whole.learned is not None
    np.testing.assert_allclose(total - whole.learned, 0.5 * active, atol=1e-6)
    assert means["alive"] == 0.5  # of the steps that count
