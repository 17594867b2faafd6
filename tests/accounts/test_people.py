import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_rlhf.accounts import people as people_module
from robo_rlhf.accounts.people import People
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError, SignInError
from robo_rlhf.feedback.store import Store

PASSWORD = "some words to remember"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People(tmp_path / "feedback.db")
    yield people
    people.close()


def test_accounts_are_added_and_listed(people: People) -> None:
    anna = people.add("anna", "operator", by="root")
    assert people.get("anna") == anna
    assert (anna.role, anna.has_password, anna.disabled) == ("operator", False, False)
    people.add("Bert van Dam", "annotator")
    assert [person.name for person in people.list()] == ["Bert van Dam", "anna"]
    assert [(entry.who, entry.act, entry.about) for entry in people.log()] == [
        ("", "person added", "Bert van Dam, annotator"),
        ("root", "person added", "anna, operator"),
    ]


def test_each_role_may_do_what_the_next_may(people: People) -> None:
    roles = ("administrator", "operator", "annotator")
    for i, role in enumerate(roles):
        person = people.add(role, role)  # type: ignore[arg-type]
        assert [person.may(other) for other in roles] == [i <= j for j in range(3)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", " anna", "anna ", "a/b", "a\nb", "<b>", "x" * 65, "-", "anna\n"])
def test_names_that_cannot_be(name: str, people: People) -> None:
    with pytest.raises(InvalidValueError, match="name of a person: expected 1 to 64"):
        people.add(name, "operator")


def test_names_differ_by_more_than_their_capitals(people: People) -> None:
    people.add("anna", "operator")
    with pytest.raises(ConflictError, match="there is 'anna' already"):
        people.add("Anna", "annotator")


def test_somebody_unknown(people: People) -> None:
    with pytest.raises(NotFoundError, match="No person 'nobody'"):
        people.get("nobody")
    with pytest.raises(InvalidValueError, match="role: expected administrator, operator, annotator, got 'king'"):
        people.add("x", "king")  # type: ignore[arg-type]


def test_there_always_is_an_administrator(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    people.add("anna", "operator")
    first = people.administrator()
    assert first.role == "administrator"
    assert first.name == "anna-1"
    assert people.administrator() == first
    with pytest.raises(InvalidValueError, match="this is the last one"):
        people.set_disabled(first.name, True)
    people.add("carol", "administrator")
    people.set_disabled(first.name, True)
    assert people.administrator().name == "carol"


def test_a_password_is_stored_as_argon2id_and_checked(people: People, tmp_path: Path) -> None:
    people.add("anna", "operator")
    people.set_password("anna", PASSWORD)
    assert people.get("anna").has_password
    assert people.sign_in("anna", PASSWORD).name == "anna"
    assert people.sign_in("  anna ", PASSWORD).name == "anna"
    with pytest.raises(SignInError, match="name or password are wrong"):
        people.sign_in("anna", PASSWORD + "!")
    stored = (tmp_path / "feedback.db").read_bytes() + (tmp_path / "feedback.db-wal").read_bytes()
    assert b"$argon2id$" in stored
    assert PASSWORD.encode() not in stored


@pytest.mark.parametrize(
    ("password", "why"),
    [("short", "5 characters"), ("x" * 1001, "1001 characters"), ("aaaaaaaaaaaa", "soon guessed"), ("", "0 char")],
)
def test_weak_passwords_are_refused(password: str, why: str, people: People) -> None:
    people.add("anna", "operator")
    with pytest.raises(InvalidValueError, match=why):
        people.set_password("anna", password)
    assert not people.get("anna").has_password


def test_a_name_is_no_password(people: People) -> None:
    people.add("alexander", "operator")
    with pytest.raises(InvalidValueError, match="soon guessed"):
        people.set_password("alexander", "AlexanderAlexander")


def test_without_a_password_nobody_signs_in_with_one(people: People) -> None:
    people.add("anna", "operator")
    for password in ("", "nobody's password"):
        with pytest.raises(SignInError, match="wrong"):
            people.sign_in("anna", password)


def test_a_new_password_and_disabling_end_all_sessions(people: People) -> None:
    anna = people.add("anna", "operator")
    token = people.sessions.begin(anna)
    people.set_password("anna", PASSWORD)
    assert people.sessions.find(token) is None
    token, link = people.sessions.begin(anna), people.sessions.link(anna)
    people.set_disabled("anna", True)
    assert people.sessions.find(token) is None
    with pytest.raises(SignInError, match="wrong"):
        people.sign_in("anna", PASSWORD)
    with pytest.raises(SignInError, match="disabled"):
        people.sessions.use_link(link)
    people.set_disabled("anna", False)
    assert people.sign_in("anna", PASSWORD).name == "anna"
    assert people.sessions.find(token) is None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are checked at once: these tests are about counting."""
    monkeypatch.setattr("robo_rlhf.accounts.passwords.is_right", lambda stored, password: password == PASSWORD)


def fail(people: People, name: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SignInError, match="wrong"):
            people.sign_in(name, "a guess", address=address)


@pytest.mark.usefixtures("quick")
def test_failures_of_one_pair_of_name_and_address_cost_waiting_for_it_alone(people: People) -> None:
    people.add("anna", "operator")
    fail(people, "anna", "10.0.0.1", 5)
    with pytest.raises(SignInError, match=r"too many failed attempts. Wait \d+ s and try again") as refused:
        people.sign_in("anna", PASSWORD, address="10.0.0.1")
    assert 0 < refused.value.wait <= 2
    assert people.sign_in("anna", PASSWORD, address="10.0.0.2").name == "anna"  # anna is not locked out elsewhere


@pytest.mark.usefixtures("quick")
def test_the_wait_doubles_with_each_failure_and_a_success_ends_it(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add("anna", "operator")
    fail(people, "anna", "a", 5)
    monkeypatch.setattr(people_module, "_wait", lambda *_: 0.0)
    fail(people, "anna", "a", 3)
    monkeypatch.undo()
    with pytest.raises(SignInError) as refused:
        people.sign_in("anna", PASSWORD, address="a")
    assert 14 < refused.value.wait <= 16
    monkeypatch.setattr(people_module, "_wait", lambda *_: 0.0)
    monkeypatch.setattr("robo_rlhf.accounts.passwords.is_right", lambda stored, password: password == PASSWORD)
    people.sign_in("anna", PASSWORD, address="a")
    monkeypatch.undo()
    monkeypatch.setattr("robo_rlhf.accounts.passwords.is_right", lambda stored, password: password == PASSWORD)
    fail(people, "anna", "a", 5)


@pytest.mark.usefixtures("quick")
def test_many_names_from_one_address_are_throttled_too(people: People) -> None:
    for number in range(30):
        fail(people, f"name{number}", "10.0.0.1", 1)
    with pytest.raises(SignInError, match="too many"):
        people.sign_in("another", "a guess", address="10.0.0.1")


@pytest.mark.usefixtures("quick")
def test_tries_at_the_same_time_are_counted_before_they_are_checked(people: People) -> None:
    told: list[str] = []

    def guess() -> None:
        try:
            people.sign_in("anna", "a guess", address="a")
        except SignInError as error:
            told.append(str(error))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("wrong" in text for text in told) == 5
    assert sum("too many" in text for text in told) == 7


def test_refusals_are_written_down(people: People) -> None:
    with pytest.raises(SignInError):
        people.sign_in("anna", "a guess", address="10.0.0.9")
    entry = people.log(1)[0]
    assert (entry.act, entry.about, entry.address) == ("sign-in refused", "anna", "10.0.0.9")


@pytest.mark.parametrize("store_first", [True, False])
def test_accounts_and_answers_share_a_database(store_first: bool, tmp_path: Path) -> None:
    where = tmp_path / "feedback.db"
    for _ in range(2):
        for kind in (Store, People) if store_first else (People, Store):
            kind(where).close()
    people = People(where)
    tables = sa.inspect(people.engine).get_table_names()
    people.close()
    assert {"questions", "answers", "people", "web_sessions"} <= set(tables)


def test_a_new_role_holds_from_the_next_request_on(people: People) -> None:
    people.add("root", "administrator")
    anna = people.add("anna", "administrator")
    token = people.sessions.begin(anna)
    assert people.set_role("anna", "annotator", by="root").role == "annotator"
    found = people.sessions.find(token)
    assert found is not None
    assert not found.person.may("operator")
    assert people.log(1)[0][1:4] == ("root", "role changed", "anna, administrator to annotator")
    with pytest.raises(InvalidValueError, match="this is the last one"):
        people.set_role("root", "operator")
    people.set_disabled("anna", True)
    people.set_role("anna", "administrator")
    with pytest.raises(InvalidValueError, match="this is the last one"):
        people.set_disabled("root", True)  # another administrator who is disabled is no help


def test_the_log_can_only_grow(where: str) -> None:
    people = People(where)
    people.add("anna", "operator")
    for statement in ("UPDATE audit SET who = 'x'", "DELETE FROM audit"):
        with (
            pytest.raises(sa.exc.DatabaseError, match="the log can only grow"),
            Store(where) as store,
            store.database.engine.begin() as connection,
        ):
            connection.execute(sa.text(statement))
    assert len(people.log()) == 1
    people.close()
