import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import seeded
from robo_rlhf.core.types import Array
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import RewardTrainer, fit
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import new_reward
from tests.rewards.making import clips, ensemble, pairs


def make(**settings: object) -> RewardModel:
    with seeded(0):
        return new_reward("transformer", 6, 2, {"width": 16, **settings})


def test_steps_further_back_than_the_context_are_forgotten() -> None:
    model = make(context=4, layers=1)
    obs, action = torch.randn(1, 12, 6), torch.zeros(1, 12, 2)
    changed = obs.clone()
    changed[:, 3] += 1
    moved = (model(changed, action, obs) - model(obs, action, obs)).abs().amax((0, 1))
    assert (moved > 1e-7).tolist() == [3 <= t < 7 for t in range(12)]


def test_only_how_far_back_a_step_is_matters() -> None:
    """What was learned on short clips holds at every place of a long episode."""
    model = make(context=4, layers=1)
    obs, action = torch.randn(1, 30, 6), torch.zeros(1, 30, 2)
    whole = model(obs, action, obs)
    part = model(obs[:, 10:20], action[:, 10:20], obs[:, 10:20])
    torch.testing.assert_close(part[..., 3:], whole[..., 13:20])


def dithering(count: int, seed: int) -> tuple[Array, Array, Array]:
    """Return clips whose first action changes its sign now and then, and how often: no single step shows it."""
    rng = np.random.default_rng(seed)
    turned = rng.random((count, 20)) < rng.uniform(0.1, 0.9, (count, 1))
    sign = np.cumprod(np.where(turned, -1.0, 1.0), 1)
    action = np.stack([0.8 * sign, rng.uniform(-1, 1, sign.shape)], -1)
    obs = rng.normal(size=(count, 21, 6))
    return obs.astype(np.float32), action.astype(np.float32), turned[:, 1:].sum(1)


def compared(count: int, seed: int) -> tuple[ClipTensors, AnswerExamples]:
    """Return pairs of clips, and that the one that dithers less is better."""
    obs, action, turns = dithering(2 * count, seed)
    first = 0.5 + 0.5 * np.sign(turns[1::2] - turns[0::2])
    return clips(obs, action), pairs(np.stack([first, 1 - first], 1).astype(np.float32))


@pytest.mark.parametrize(("kind", "low", "high"), [("transformer", 0.7, 1.0), ("ensemble", 0.4, 0.6)])
def test_learns_what_no_single_step_shows(kind: str, low: float, high: float) -> None:
    seen, said = compared(200, 0)
    model = make(context=8) if kind == "transformer" else ensemble(width=32)
    fit(RewardTrainer(model, seen, [said], FitSettings(updates=150, batch=48, learning_rate=3e-3), 0))
    new, judged = compared(200, 1)
    accuracy = evaluate(model, new, [judged]).accuracy
    assert accuracy is not None
    assert low < accuracy <= high


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(
        InvalidValueError, match="width of a transformer reward: expected a multiple of its heads, 3, got 16"
    ):
        make(heads=3)
    with pytest.raises(InvalidValueError, match="context of a transformer reward: expected at least 1, got 0"):
        make(context=0)
