"""Demonstrations weighed by who showed them."""

from dataclasses import replace

import numpy as np
import pytest

from robo_rlhf.core.types import Episode
from robo_rlhf.data.training_arrays.examples import chunk_examples
from robo_rlhf.rollouts.rollout import rollout
from robo_rlhf.training_tools.operator_weights import LEAST, operator_shares, weights_by_operator
from tests.toy import ToyEnv, ToyOperator


def shown(operator: str, count: int, noise: float, steps: int = 40) -> list[Episode]:
    """Return demonstrations of one operator, as long and as shaky as asked."""
    episodes = rollout(ToyEnv(count), ToyOperator(noise=noise), np.arange(count))
    return [
        replace(e.slice(0, steps), meta=replace(e.meta, id=f"{operator}-{i}", operator=operator))
        for i, e in enumerate(episodes)
    ]


def test_the_quick_and_the_steady_count_more() -> None:
    quick = shown("ann", 8, 0.0, 20)
    slow, shaky = shown("bob", 8, 0.0, 40), shown("cy", 8, 1.0, 20)
    slower, shakier = operator_shares([*quick, *slow]), operator_shares([*quick, *shaky])
    assert slower["ann"] == shakier["ann"] == 1.0
    assert 0 < slower["bob"] < 0.75
    assert 0 < shakier["cy"] < 0.75


def test_few_demonstrations_say_less_and_fewer_than_three_nothing() -> None:
    quick, slow = shown("ann", 8, 0.0, 20), shown("bob", 8, 0.0, 40)
    few, many = (operator_shares([*quick, *slow[:count]])["bob"] for count in (3, 8))
    assert many < few < 1.0
    assert operator_shares([*quick, *slow[:2]]) == {}
    assert operator_shares(quick) == {}
    assert weights_by_operator(quick) is None


def test_weights_have_mean_one_and_reach_the_examples() -> None:
    episodes = [*shown("ann", 6, 0.0, 20), *shown("bob", 6, 0.8, 40)]
    weighting = weights_by_operator(episodes)
    assert weighting is not None
    examples = chunk_examples(episodes, 4, weighting=weighting)
    assert examples.weight.mean() == pytest.approx(1.0, abs=1e-6)
    shares = operator_shares(episodes)
    assert examples.weight[-1] / examples.weight[0] == pytest.approx(shares["bob"] / shares["ann"])
    with_someone_new = weights_by_operator([*episodes, *shown("new", 1, 0.0, 20)])
    assert with_someone_new is not None
    assert with_someone_new.weights["new-0"][0] == with_someone_new.weights["ann-0"][0]  # nothing is held against them


def test_commands_that_never_change_are_steady() -> None:
    still = [replace(e, action=np.zeros_like(e.action)) for e in shown("ann", 4, 0.0, 20)]
    assert operator_shares([*still, *shown("bob", 4, 0.5, 20)])["bob"] == pytest.approx(LEAST**4)
