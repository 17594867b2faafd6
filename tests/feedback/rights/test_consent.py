"""The consent text of a team."""

from pathlib import Path

import pytest

from robo_rlhf.accounts.roles import Principal
from robo_rlhf.core.errors import ConsentNeededError, InvalidValueError
from robo_rlhf.feedback.rights.consent import LONGEST_CONSENT
from robo_rlhf.feedback.store import Store
from tests.feedback.making import QUESTIONS


def test_nothing_is_asked_before_a_person_agrees(tmp_path: Path) -> None:
    lead = Principal("eve")
    with Store(tmp_path / "feedback.db") as store:
        store.add_questions(QUESTIONS)
        assert store.leases.next("ada") is not None  # there is no text
        first = store.consents.write("We keep your answers.", lead)
        with pytest.raises(ConsentNeededError, match="ada has not agreed to the team's consent text"):
            store.leases.next("ada")
        store.consents.agree("ada", first.number)
        assert store.leases.next("ada") is not None
        second = store.consents.write("We keep your answers for a year.", lead)
        with pytest.raises(ConsentNeededError):
            store.leases.next("ada")
        with pytest.raises(InvalidValueError, match=f"to text {first.number}"):
            store.consents.agree("ada", first.number)
        store.consents.agree("ada", second.number)
        assert [number for number, _ in store.consents.given("ada")] == [first.number, second.number]
        store.consents.write("", lead)
        assert (store.consents.current(), store.leases.next("ben") is not None) == (None, True)
        with pytest.raises(InvalidValueError, match="at most 20,000"):
            store.consents.write("x" * (LONGEST_CONSENT + 1), lead)
