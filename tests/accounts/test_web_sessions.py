import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_rlhf.accounts import web_sessions as module
from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import Person
from robo_rlhf.accounts.web_sessions import Sessions, digest_of
from robo_rlhf.core.errors import SignInError


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People(tmp_path / "feedback.db")
    yield people
    people.close()


@pytest.fixture
def sessions(people: People) -> Sessions:
    return people.sessions


@pytest.fixture
def anna(people: People) -> Person:
    return people.add("anna", "operator")


def test_a_session_is_found_by_its_token_alone(sessions: Sessions, anna: Person) -> None:
    token = sessions.begin(anna, agent="Firefox" * 100, address="10.0.0.1")
    found = sessions.find(token)
    assert found is not None
    assert found.person == anna
    assert (found.address, found.agent[:7], len(found.agent)) == ("10.0.0.1", "Firefox", 200)
    assert found.digest == digest_of(token)
    for other in ("", "x", token + "x", found.digest, token[:-1]):
        assert sessions.find(other) is None


def test_no_token_stands_in_the_database(sessions: Sessions, anna: Person, tmp_path: Path) -> None:
    tokens = [sessions.begin(anna), sessions.link(anna)]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for token in tokens:
        assert len(token) >= 43
        assert token.encode() not in stored
        assert digest_of(token).encode() in stored


def test_a_new_session_ends_the_one_it_replaces(sessions: Sessions, anna: Person) -> None:
    first, other = sessions.begin(anna), sessions.begin(anna)
    second = sessions.begin(anna, instead_of=first)
    assert sessions.find(first) is None
    assert sessions.find(second)
    assert sessions.find(other)


def test_sessions_are_listed_and_ended(sessions: Sessions, anna: Person, people: People) -> None:
    tokens = [sessions.begin(anna) for _ in range(3)]
    mine = sessions.find(tokens[0])
    assert mine
    assert len(sessions.of(anna)) == 3
    assert sessions.end_all(anna, but=mine.digest) == 2
    assert sessions.of(anna) == [mine]
    sessions.end(mine)
    assert sessions.of(anna) == []
    assert sessions.find(tokens[0]) is None
    assert [entry.act for entry in people.log(2)] == ["signed out", "signed out everywhere"]


def test_a_session_ends_by_itself(sessions: Sessions, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sessions.begin(anna)
    monkeypatch.setattr(module, "IDLE", -1.0)
    assert sessions.find(token) is None
    assert sessions.of(anna) == []
    monkeypatch.undo()
    monkeypatch.setattr(module, "LONGEST", -1.0)
    assert sessions.find(sessions.begin(anna)) is None


def test_use_is_noted_now_and_then(sessions: Sessions, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sessions.begin(anna)
    first = sessions.find(token)
    assert first
    assert sessions.find(token) == first
    monkeypatch.setattr(module, "SEEN_EVERY", -1.0)
    monkeypatch.setattr(module, "timestamp", lambda seconds=0.0: "2999-01-01T00:00:00.000+00:00")
    monkeypatch.setattr(module, "IDLE", 0.0)
    sessions.end_all(anna, but=first.digest)  # with the clock of the far future nothing is found ...
    assert sessions.find(token) is None
    monkeypatch.undo()
    assert sessions.find(token) == first  # ... and nothing was written either
    monkeypatch.setattr(module, "SEEN_EVERY", -1.0)
    sessions.find(token)
    monkeypatch.undo()
    later = sessions.find(token)
    assert later
    assert later.seen >= first.seen


def test_a_link_works_once(sessions: Sessions, anna: Person) -> None:
    token = sessions.link(anna)
    assert sessions.use_link(token, address="10.0.0.1") == anna
    with pytest.raises(SignInError, match="this link was used before"):
        sessions.use_link(token)


def test_a_link_that_is_too_old_or_made_up(sessions: Sessions, anna: Person) -> None:
    with pytest.raises(SignInError, match="this link is too old"):
        sessions.use_link(sessions.link(anna, life=-1))
    with pytest.raises(SignInError, match="this link is not known here"):
        sessions.use_link("made-up")


def test_a_session_that_was_found_is_remembered_for_a_moment(sessions: Sessions, anna: Person) -> None:
    token = sessions.begin(anna)
    assert sessions.known(token) is None
    sessions.find(sessions.begin(anna))  # the log is looked at
    found = sessions.find(token)
    assert sessions.known(token) is sessions.find(token) is found
    assert sessions.known("") is sessions.known("x") is None


def test_what_this_program_ends_is_ended_at_once(people: People, sessions: Sessions, anna: Person) -> None:
    def signed_in() -> str:
        token = sessions.begin(people.get("anna"))
        sessions.find(token)
        found = sessions.find(token)
        assert found is not None
        return token

    token = signed_in()
    found = sessions.find(token)
    assert found is not None
    sessions.end(found)
    assert sessions.find(token) is None
    token = signed_in()
    sessions.end_all(anna)
    assert sessions.find(token) is None
    token = signed_in()
    people.set_password("anna", "correct horse battery")
    assert sessions.find(token) is None
    token = signed_in()
    people.set_disabled("anna", True)
    assert sessions.find(token) is None


def test_what_another_program_ends_is_ended_within_a_moment(
    people: People, anna: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = people.sessions.begin(anna)
    people.sessions.find(token)
    assert people.sessions.find(token) is not None
    other = People(tmp_path / "feedback.db")
    other.set_disabled("anna", True)
    other.close()
    monkeypatch.setattr(module, "SEEN_WITHIN", 0.0)
    assert people.sessions.known(token) is None
    assert people.sessions.find(token) is None


def test_what_was_read_before_a_change_is_not_remembered_after_it(
    sessions: Sessions, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sessions.begin(anna)
    sessions.find(token)
    found = sessions.find(token)
    assert found is not None
    sessions.end_all(anna)
    changes = sessions._changes
    assert sessions._remember(found, 30.0, changes - 1) is found  # a concurrent reader gets its answer
    assert sessions.find(token) is None


def test_nobody_is_remembered_longer_than_their_session_lasts(
    sessions: Sessions, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.3)
    token = sessions.begin(anna)
    sessions.find(token)
    assert sessions.find(token) is not None
    until, _ = sessions._found[digest_of(token)]
    assert until <= time.monotonic() + 0.3


def test_ending_all_sessions_ends_the_links_that_wait(people: People) -> None:
    anna = people.add("bea", "operator")
    link = people.sessions.link(anna)
    people.sessions.end_all(anna)
    with pytest.raises(SignInError, match="used before"):
        people.sessions.use_link(link)
