"""The contract of reward terms, over the registry."""

from typing import Any

import pytest

from robo_rlhf.contracts.term import CONTRACT, TermTrial
from robo_rlhf.rewards.terms import TERMS


@pytest.mark.parametrize("name", list(TERMS))
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(name: str, clause: Any) -> None:
    assert TERMS[name].name == name
    clause(TermTrial(TERMS[name]))
