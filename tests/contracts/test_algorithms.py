"""The contract of algorithms, over the registry."""

import functools
from typing import Any

import pytest

from robo_rlhf.algorithms import ALGORITHMS
from robo_rlhf.contracts.algorithm import CONTRACT, AlgorithmTrial


@functools.cache
def trial(name: str) -> AlgorithmTrial:
    return AlgorithmTrial(ALGORITHMS[name])


@pytest.mark.parametrize("name", list(ALGORITHMS))
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(name: str, clause: Any) -> None:
    clause(trial(name))


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_ours_are_called_as_they_are_registered(name: str) -> None:
    assert ALGORITHMS[name].name == name
    assert ALGORITHMS[name].__module__ == f"robo_rlhf.algorithms.{name}"
