from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_rlhf.reward_fitting.calibration import best_temperature, member_temperature, pooled_temperature
from robo_rlhf.reward_fitting.clips import AnswerExamples
from robo_rlhf.reward_fitting.held_out import HeldOut
from robo_rlhf.reward_fitting.scores import EnsembleScores
from tests.rewards.making import pairs


def test_temperature_undoes_too_much_confidence() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=4000)
    first = torch.from_numpy((rng.random(4000) < 1 / (1 + np.exp(-true))).astype(float))
    logits = torch.from_numpy(4.0 * true)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logits / temperature, first))

    assert best_temperature(loss, 4000) == pytest.approx(4.0, rel=0.15)
    assert best_temperature(lambda t: 0.0, 10) == pytest.approx(1.0)


def opinions_and_answers(members: int, count: int, noise: float) -> tuple[EnsembleScores, AnswerExamples]:
    """Return members that think the truth and noise of their own, and answers as likely as the truth says."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(count, 2))
    first = rng.random(count) < 1 / (1 + np.exp(true[:, 1] - true[:, 0]))
    thought = true + noise * rng.normal(size=(members, count, 2))
    returns = torch.from_numpy(thought.reshape(members, -1)).float()
    return EnsembleScores(returns, None), pairs(np.stack([first, ~first], 1).astype(np.float32))


def test_ties_do_not_make_a_model_unsure_of_other_answers() -> None:
    thought, said = opinions_and_answers(1, 2000, 0.0)
    half = torch.arange(2000)[:, None] < 1000
    with_ties = replace(said, values=torch.where(half, torch.tensor(0.5), said.values))
    everything = torch.ones(1, 2000, dtype=torch.bool)
    rates = [torch.zeros(2000)]
    found = member_temperature(HeldOut([with_ties], [everything]), thought, rates)
    assert found == pytest.approx(1.0, rel=0.15)
    assert (
        best_temperature(lambda t: HeldOut([with_ties], [everything]).loss(thought / t, rates).mean().item(), 2000)
        > 1.3
    )


def test_ties_alone_are_judged_by_themselves() -> None:
    thought, said = opinions_and_answers(1, 20, 0.0)
    held = HeldOut([replace(said, values=torch.full((20, 2), 0.5))], [torch.ones(1, 20, dtype=torch.bool)])
    assert held.sided(thought) is held


def test_the_ensemble_is_as_sure_as_its_members() -> None:
    thought, said = opinions_and_answers(5, 4000, 1.5)
    everything = torch.ones(5, 4000, dtype=torch.bool)
    alone = member_temperature(HeldOut([said], [everything]), thought, [torch.zeros(4000)])
    together = pooled_temperature(thought.returns, alone)
    assert together < 0.9 * alone
    apart = thought.returns[:, 0::2] - thought.returns[:, 1::2]
    first = said.values[:, 0]

    def error(temperature: float) -> float:
        """How far the mean confidence of the ensemble is from its accuracy."""
        chance = torch.sigmoid(apart / temperature).mean(0)
        return abs(float(torch.maximum(chance, 1 - chance).mean() - ((chance > 0.5) == (first > 0.5)).float().mean()))

    assert error(together) < error(alone)


def test_one_member_is_as_sure_as_it_is() -> None:
    assert pooled_temperature(torch.randn(1, 10), 0.7) == 0.7
