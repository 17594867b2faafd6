import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from tests.rewards.making import ACT_DIM, OBS_DIM, ensemble


@pytest.mark.parametrize(("inputs", "seen"), [("obs_action", "oa"), ("obs", "o"), ("obs_next", "on")])
def test_only_the_chosen_inputs_matter(inputs: str, seen: str) -> None:
    model = ensemble(inputs=inputs, width=16)
    base = {"o": torch.zeros(1, 1, OBS_DIM), "a": torch.zeros(1, 1, ACT_DIM), "n": torch.zeros(1, 1, OBS_DIM)}
    before = model(*base.values())
    for name in base:
        changed = {**base, name: base[name] + 1}
        assert torch.equal(model(*changed.values()), before) == (name not in seen)


def test_rewards_are_within_the_gain() -> None:
    model = ensemble(gain=0.5)
    with torch.no_grad():
        for weight in model.weights:  # type: ignore[union-attr]
            weight.mul_(100)
    reward = model(5 * torch.randn(4, 5, OBS_DIM), torch.rand(4, 5, ACT_DIM), torch.randn(4, 5, OBS_DIM))
    assert 0.4 < reward.abs().max() <= 0.5


def test_unknown_inputs_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="inputs of a reward model: expected one of obs_action, obs, obs_next"):
        ensemble(inputs="pixels")
