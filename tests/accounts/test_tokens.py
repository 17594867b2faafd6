from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from robo_rlhf.accounts import tokens as module
from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.tables import api_tokens
from robo_rlhf.core.errors import InvalidValueError, NotFoundError, TokenError
from robo_rlhf.feedback.quality.team_overview import member_of, team_overview
from robo_rlhf.feedback.store import Store


@pytest.fixture
def people(where: str) -> Iterator[People]:
    people = People(where)
    yield people
    people.close()


def test_only_a_digest_is_kept(people: People, where: str) -> None:
    secret, token = people.tokens.create(people.add("anna", "operator"), "nightly", "annotator", days=1)
    with Store(where) as store, store.database.read() as connection:
        (row,) = connection.execute(sa.select(api_tokens)).mappings()
    assert secret not in map(str, row.values())
    found = people.tokens.find(secret, address="1.2.3.4")
    assert (found.number, found.person.role, found.acting.role, token.used) == (1, "operator", "annotator", None)


def test_its_use_is_noted_once_a_minute(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = people.add("anna", "operator")
    secret, _ = people.tokens.create(anna, "nightly", "operator")
    people.tokens.find(secret, address="first")
    (noted,) = people.tokens.list(anna)
    assert noted.used is not None
    people.tokens.find(secret, address="second")
    assert people.tokens.list(anna) == [noted]
    monkeypatch.setattr(module, "USED_EVERY", -1.0)
    people.tokens.find(secret, address="third")
    assert people.tokens.list(anna)[0].address == "third"


def test_a_token_ends(people: People) -> None:
    anna, ben = people.add("anna", "operator"), people.add("ben", "operator")
    short, _ = people.tokens.create(anna, "short", "operator", days=1e-9)
    with pytest.raises(TokenError, match="too old"):
        people.tokens.find(short)
    secret, token = people.tokens.create(anna, "long", "operator")
    with pytest.raises(NotFoundError):
        people.tokens.revoke(token.number, person=ben)
    assert people.tokens.live(token.number) is not None
    assert people.tokens.revoke(token.number, person=anna).state == "revoked"
    before = len(people.log())
    people.tokens.revoke(token.number)  # once more changes nothing
    assert len(people.log()) == before
    assert people.tokens.live(token.number) is None
    for bad, told in ((secret, "revoked"), ("rlhf_x", "not known")):
        with pytest.raises(TokenError, match=told):
            people.tokens.find(bad)


def test_nobody_has_too_many(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    anna = people.add("anna", "annotator")
    for number in (1, 2):
        people.tokens.create(anna, str(number), "annotator")
    with pytest.raises(InvalidValueError, match="revoked first"):
        people.tokens.create(anna, "3", "annotator")
    people.tokens.revoke(1)
    people.tokens.create(anna, "3", "annotator")


def test_the_roster_tells_what_is_open(people: People, where: str) -> None:
    anna = people.add("anna", "operator")
    people.sessions.link(anna)
    assert member_of(people, "anna").state == "invited"
    people.sessions.begin(anna)
    people.tokens.create(anna, "x", "annotator")
    people.set_groups("anna", ["left-handed"])
    (member,) = team_overview(people)
    assert (member.state, member.sessions, member.tokens, member.groups) == ("active", 1, 1, ("left-handed",))
    assert member.invited is not None
    with Store(where) as store:
        assert store.teams() == {"anna": "left-handed"}
    people.set_disabled("anna", True)
    gone = member_of(people, "anna")
    assert (gone.state, gone.sessions, gone.tokens, gone.invited) == ("disabled", 0, 0, None)
