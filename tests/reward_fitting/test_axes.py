"""Heads of a reward, one for each named axis."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.learning import pack_module, seeded
from robo_rlhf.core.runs import Run
from robo_rlhf.core.types import Array
from robo_rlhf.reward_fitting.axes import AxesTrainer
from robo_rlhf.reward_fitting.clips import AnswerExamples, ClipTensors
from robo_rlhf.reward_fitting.scores import evaluate
from robo_rlhf.reward_fitting.settings import FitSettings
from robo_rlhf.reward_fitting.trainer import FitReport, RewardTrainer, fit
from robo_rlhf.rewards.axes import AxesReward
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rewards.checkpoint import load_reward, new_reward, save_reward
from tests.rewards.making import ACT_DIM, OBS_DIM, clips, pairs, walks

QUICK = FitSettings(updates=150, check_every=50, learning_rate=1e-3)


def forward(obs: Array) -> Array:
    found: Array = obs[..., 0].mean(1)
    return found


def low(obs: Array) -> Array:
    found: Array = -obs[..., 0].mean(1) - 0.2 * obs[..., 1].mean(1)
    return found


def judged(count: int, seed: int) -> tuple[ClipTensors, list[AnswerExamples]]:
    """Return pairs judged along two axes that nearly contradict each other."""
    obs, action = walks(2 * count, seed)
    groups = []
    for axis, value in (("forward", forward(obs[:, 1:])), ("low", low(obs[:, 1:]))):
        first = value[0::2] > value[1::2]
        groups.append(replace(pairs(np.stack([first, ~first], 1).astype(np.float32)), axis=axis))
    return clips(obs, action), groups


def learned(kill: bool = False, place: Path | None = None) -> tuple[AxesReward, FitReport]:
    shown, groups = judged(120, 0)
    settings = {"axes": ["forward", "low"], "members": 3, "settings": {"width": 16}}

    def trainer() -> AxesTrainer:
        with seeded(0):
            model = new_reward("axes", OBS_DIM, ACT_DIM, settings)
        assert isinstance(model, AxesReward)
        return AxesTrainer(model, shown, groups, QUICK, 0)

    one, run = trainer(), None if place is None else Run(place, {})
    if kill and run is not None:
        one.advance()
        run.save("training", *one.pack())
        one = trainer()
    report = fit(one, run, save_every=50)
    assert isinstance(one.model, AxesReward)
    return one.model, report


def test_each_head_learns_its_axis_and_is_scored_by_itself(tmp_path: Path) -> None:
    model, report = learned()
    shown, groups = judged(200, 7)
    for group in groups:
        own, other = (evaluate(model.head(axis), shown, [group]).accuracy or 0.0 for axis in ("forward", "low"))
        assert max(own, other) > 0.85
        assert (own > other) == (group.axis == "forward")
        assert report.axes[group.axis].held_out.accuracy is not None
    assert report.held_out.answers == sum(part.held_out.answers for part in report.axes.values())
    assert report.updates == sum(part.updates for part in report.axes.values())
    save_reward(model, tmp_path / "reward.safetensors", {"task": "walk"})
    again = load_reward(tmp_path / "reward.safetensors")
    assert isinstance(again, AxesReward)
    steps = [x[:4].numpy() for x in (shown.obs, shown.action, shown.next_obs)]
    for before, after in ((model, again), (model.head("low"), again.head("low"))):
        np.testing.assert_array_equal(before.predict(*steps)[0], after.predict(*steps)[0])


def test_killed_and_resumed_gives_the_same_heads(tmp_path: Path) -> None:
    whole, _ = learned()
    resumed, _ = learned(kill=True, place=tmp_path / "run")
    a, b = pack_module("m", whole), pack_module("m", resumed)
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_one_head_is_the_model_that_learns_alone() -> None:
    shown, groups = judged(60, 1)
    with seeded(0):
        alone: RewardModel = new_reward("ensemble", OBS_DIM, ACT_DIM, {"members": 3, "width": 16})
    fit(RewardTrainer(alone, shown, groups[:1], QUICK, 0))
    with seeded(0):
        heads = new_reward("axes", OBS_DIM, ACT_DIM, {"axes": ["forward"], "settings": {"width": 16}})
    assert isinstance(heads, AxesReward)
    fit(AxesTrainer(heads, shown, groups[:1], QUICK, 0))
    with torch.inference_mode():
        inputs = shown.obs[:8], shown.action[:8], shown.next_obs[:8]
        assert torch.equal(heads.head("forward")(*inputs), alone(*inputs))
    first, second = (model.predict(*(x.numpy() for x in inputs))[0] for model in (alone, heads))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [[], ["a", "a"]])
def test_heads_have_different_names(axes: list[str]) -> None:
    with pytest.raises(InvalidValueError, match="heads of a reward model: expected different names"):
        new_reward("axes", OBS_DIM, ACT_DIM, {"axes": axes})
