"""Demonstrations weighed by a learned reward."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_rlhf.core.errors import InvalidValueError, NonFiniteError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.training_arrays.examples import chunk_examples
from robo_rlhf.rewards.base import RewardModel
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training import bc
from robo_rlhf.training_tools.reward_weights import MOST, step_rewards, weights_by_reward
from tests.toy import ToyEnv, ToyOperator


class Nearness(RewardModel):
    """The toy world's own reward, as a model."""

    kind = "nearness"

    def __init__(self) -> None:
        super().__init__(6, 2, members=2)

    def forward(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> Tensor:
        near = 1 - torch.tanh((next_obs[..., :2] - next_obs[..., 4:]).norm(dim=-1))
        return near.expand(2, *near.shape[-2:])


def mixed(count: int = 20) -> list[Episode]:
    """Return demonstrations from the same starts: steady hands first, then shaky ones that drift off."""
    found = []
    for name, noise in (("steady", 0.0), ("shaky", 2.5)):
        episodes = rollout(ToyEnv(count), ToyOperator(noise=noise), np.arange(count))
        found += [replace(e, meta=replace(e.meta, id=f"{name}-{i}")) for i, e in enumerate(episodes)]
    return found


EPISODES = mixed()


def mean_of(name: str, weights: dict[str, Array]) -> float:
    return float(np.mean(np.concatenate([w for key, w in weights.items() if key.startswith(name)])))


def test_steps_weigh_by_their_advantage_and_one_on_average() -> None:
    found = weights_by_reward(Nearness(), EPISODES, "advantage", 1.0, "learned").weights
    assert {key: len(w) for key, w in found.items()} == {e.meta.id: len(e) for e in EPISODES}
    everything = np.concatenate(list(found.values()))
    assert everything.mean() == pytest.approx(1.0, abs=1e-5)
    assert everything.min() > 0
    assert everything.max() / everything.min() <= MOST / np.exp(-50)
    assert mean_of("steady", found) > 1.5 * mean_of("shaky", found)
    flat = weights_by_reward(Nearness(), EPISODES, "advantage", 1e6, "learned").weights
    np.testing.assert_allclose(np.concatenate(list(flat.values())), 1.0, atol=1e-4)


def test_the_advantage_is_against_the_same_stage_of_others() -> None:
    """Every episode begins far from the goal and ends near it: that alone makes no step better than another."""
    alike = EPISODES[:1] * 3
    copies = [replace(e, meta=replace(e.meta, id=f"copy-{i}")) for i, e in enumerate(alike)]
    found = weights_by_reward(Nearness(), copies, "advantage", 1.0, "learned").weights
    np.testing.assert_allclose(np.concatenate(list(found.values())), 1.0, atol=0.5)


def test_the_better_half_is_kept_whole() -> None:
    weighting = weights_by_reward(Nearness(), EPISODES, "best_half", 1.0, "learned")
    kept = {key for key, weight in weighting.weights.items() if weight.all()}
    assert len(kept) == len(EPISODES) // 2
    means = {e.meta.id: float(step_rewards(Nearness(), e, "learned").mean()) for e in EPISODES}
    assert kept == set(sorted(means, key=lambda key: -means[key])[: len(kept)])
    examples = chunk_examples(EPISODES, 2, weighting=weighting)
    assert len(examples.obs) == sum(len(e) for e in EPISODES if e.meta.id in kept)
    assert set(examples.weight.tolist()) == {1.0}


def test_a_clone_of_weighed_demonstrations_acts_like_the_better_ones() -> None:
    def error(weighting: object) -> float:
        """Return the squared error of a clone at what a steady hand does."""
        config = bc.Config("gaussian", {"width": 32}, updates=400, precision="float32")
        policy = bc.fit(config, EPISODES, weighting=weighting)  # type: ignore[arg-type]
        steady = EPISODES[:20]
        obs = np.concatenate([e.obs[:-1] for e in steady])
        return float(np.mean((policy.act(obs) - np.concatenate([e.action for e in steady])) ** 2))

    weighed = weights_by_reward(Nearness(), EPISODES, "advantage", 0.5, "learned")
    assert error(weighed) < 0.8 * error(None)


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        ("learned + task", "which needs task, a sum of learned|expected a sum of learned"),
        ("learned(axis='speed')", "no named axes"),
    ],
)
def test_what_needs_an_environment_or_another_head_is_refused(objective: str, told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        weights_by_reward(Nearness(), EPISODES, "advantage", 1.0, objective)


def test_a_demonstration_without_a_finite_reward_is_named() -> None:
    broken = replace(EPISODES[0], obs=np.full_like(EPISODES[0].obs, np.nan))
    with pytest.raises(NonFiniteError, match=r"steady-0|prediction of a reward model"):
        step_rewards(Nearness(), broken, "learned")
