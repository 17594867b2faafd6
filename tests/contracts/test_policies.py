"""The contract of policies, over the registry, and over further settings of ours."""

from collections.abc import Mapping
from typing import Any

import pytest

from robo_rlhf.contracts.policy import CONTRACT, PolicyTrial
from robo_rlhf.core.types import Policy
from robo_rlhf.policies import POLICIES

VARIANTS = [
    *((kind, POLICIES[kind].example) for kind in POLICIES),
    ("gaussian", {"width": 16, "std": "state", "loss": "nll", "mean": "tanh", "activation": "silu"}),
    ("gaussian", {"width": 16, "std": "fixed", "layers": 1}),
    ("flow", {"width": 16, "history": 2, "chunk": 5, "execution_horizon": 3, "flow_steps": 2}),
    ("flow", {"width": 16, "noise": 0.0}),
    ("flow", {"width": 16, "history": 2, "symlog": 0.02}),
    ("residual", {"width": 16, "base_kind": "flow", "base_settings": {"width": 16, "history": 2}}),
    ("mixture", {"width": 16, "history": 2, "chunk": 5, "execution_horizon": 3, "modes": 2, "sample": True}),
    (
        "act",
        {"width": 16, "heads": 2, "layers": 1, "history": 2, "chunk": 5, "execution_horizon": 3, "ensemble": False},
    ),
    ("act", {"width": 16, "chunk": 4, "execution_horizon": 7}),
    ("tanh_gaussian", {"width": 16, "base_kind": "flow", "base_settings": {"width": 16, "history": 2}, "scale": 0.2}),
    ("recurrent", {"width": 16, "layers": 2, "history": 3, "chunk": 1}),
]


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(kind: str, settings: Mapping[str, Any], clause: Any) -> None:
    clause(PolicyTrial(POLICIES[kind], settings))


@pytest.mark.parametrize("kind", POLICIES)
def test_ours_are_called_as_they_are_registered(kind: str) -> None:
    assert POLICIES[kind].kind == kind
    assert isinstance(PolicyTrial(POLICIES[kind]).make(), Policy)
