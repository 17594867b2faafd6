"""The contract of question kinds, over the registry."""

from typing import Any

import pytest

from robo_rlhf.contracts.question import CONTRACT, KindTrial
from robo_rlhf.feedback.kinds import KINDS


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("clause", CONTRACT.clauses, ids=lambda clause: clause.__name__)
def test_contract(name: str, clause: Any) -> None:
    assert KINDS[name].kind == name
    clause(KindTrial(KINDS[name]))
