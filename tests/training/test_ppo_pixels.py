"""Fine-tuning from pictures: encoders stay as they were cloned, or a copy of them learns where that is asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.policies.checkpoint import load_policy
from robo_rlhf.policies.on_base import on_top_of
from robo_rlhf.policies.residual import ResidualPolicy
from robo_rlhf.policies.visual import VisualPolicy
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import ppo
from tests.toy import SeenToyEnv
from tests.training.test_resume import closeness, seeing


@pytest.mark.parametrize("asked", [False, True])
def test_encoders_learn_where_it_is_asked_for_and_the_cloned_ones_never(asked: bool, tmp_path: Path) -> None:
    config = ppo.Config(num_envs=2, iterations=2, epochs=1, minibatch=40, warmup_epochs=1, learn_encoder=asked)
    env = SeenToyEnv(2)
    with seeded(0):
        base = seeing(env)
        actor = on_top_of(ResidualPolicy, base, width=16, own_encoder=asked)
    begun = base.state_dict()
    before = rollout(env, actor, np.array([1, 2]), steps=6)[0].action
    base.seed(0)
    assert np.allclose(before, rollout(env, base, np.array([1, 2]), steps=6)[0].action, atol=1e-6)
    ppo.train(config, Run(tmp_path, config), env, actor, closeness)
    assert isinstance(actor.base, VisualPolicy)
    assert all(torch.equal(value, begun[name]) for name, value in actor.base.state_dict().items())
    assert (actor.eyes is not None) == asked
    for name, value in actor.eyes.encoder.named_parameters() if actor.eyes is not None else ():
        assert not torch.equal(value, begun[f"encoder.{name}"]), name
    loaded = load_policy(tmp_path / "checkpoints" / "policy.safetensors")
    loaded.look_at(env)
    found = []
    for one in (actor, loaded):
        one.seed(1)
        found.append(rollout(env, one, np.array([1, 2]), steps=6)[1].action)
    assert np.array_equal(*found)
    assert asked == (len(getattr(actor.eyes, "looks", ())) == 1)  # acting keeps the newest look alone


def test_encoders_that_are_not_there_cannot_learn() -> None:
    env = SeenToyEnv(2)
    config = ppo.Config(num_envs=2, learn_encoder=True)
    with seeded(0):
        base = seeing(env)
        with pytest.raises(InvalidValueError, match="cloned with --cameras, got a policy of kind residual"):
            ppo.PPOLearner(config, on_top_of(ResidualPolicy, base))
        with pytest.raises(InvalidValueError, match="policy without cameras"):
            ResidualPolicy(6, 2, base_settings={"width": 4}, own_encoder=True)
