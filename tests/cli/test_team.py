import io
import json
import time
from pathlib import Path

import pytest

from robo_rlhf.accounts.people import People
from robo_rlhf.cli.main import main
from robo_rlhf.cli.station_address import note_address
from robo_rlhf.core.errors import TokenError

PASSWORD = "some words to remember"
AT = ("--url", "https://station.example")


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "anna")


def test_a_password_is_read_from_a_pipe(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\nmore\n"))
    assert main(["team", "password"]) == 0
    assert capsys.readouterr().out == "anna signs in with the new password from now on\n"
    people = People(home / "feedback.db")
    assert people.sign_in("anna", PASSWORD).role == "administrator"
    people.close()


def test_a_password_is_typed_twice_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "another"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert main(["team", "password"]) == 0
    assert main(["team", "password"]) == 2
    assert capsys.readouterr().err == "error: password: expected the same twice, got two different ones.\n"


def test_a_weak_password_and_an_unknown_person(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["team", "password"]) == 2
    assert "expected 10 to 1000 characters" in capsys.readouterr().err
    assert main(["team", "password", "bert"]) == 5
    assert capsys.readouterr().err == "error: No person 'bert'. robo-rlhf team list shows who there is.\n"


def test_a_link_signs_in_whom_it_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = People(home / "feedback.db")
    people.add("bert", "annotator")
    assert main(["team", "link", "bert", "--url", "https://station.example/"]) == 0
    note_address(home, "http://127.0.0.1:8601")
    assert main(["team", "link"]) == 0
    links = capsys.readouterr().out.split()
    assert links[0].startswith("https://station.example/enter#")
    assert links[1].startswith("http://127.0.0.1:8601/enter#")
    assert [people.sessions.use_link(link.partition("#")[2]).name for link in links] == ["bert", "anna"]
    people.close()


@pytest.mark.parametrize("command", [["team", "add", "bert"], ["team", "link"]])
def test_where_no_station_ever_ran_its_address_is_asked_for(
    command: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in (None, b"", b"[]", b'{"url"'):
        if content is not None:
            home.mkdir(exist_ok=True)
            (home / "station.json").write_bytes(content)
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: --url: expected the address of the station, because none has run over "), said
    assert not (home / "feedback.db").exists(), "nobody was added"


@pytest.mark.parametrize("url", ["station", "ftp://x", "http://", "http://a b", "http://x:port", "http://x\n"])
def test_what_is_no_address_is_refused(url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["team", "add", "bert", "--url", url]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --url: expected an address such as https://station.example:8600, got ")
    assert not (home / "feedback.db").exists()


def test_somebody_is_invited_and_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["team", "add", "bert", "--role", "operator", "--url", "https://station.example/"]) == 0
    first, link = capsys.readouterr().out.splitlines()
    assert first == "bert may do what an operator does. The link signs them in once, within seven days:"
    assert link.startswith("https://station.example/enter?next=/account#")
    people = People(home / "feedback.db")
    people.set_groups("bert", ["robotics background", "left-handed"])
    assert main(["team", "list", "--json"]) == 0
    row = {"name": "bert", "role": "operator", "state": "invited", "groups": ["left-handed", "robotics background"]}
    nothing = {"last seen": None, "sessions": 0, "tokens": 0, "answers": 0}
    assert json.loads(capsys.readouterr().out) == [row | nothing]
    people.sessions.begin(people.sessions.use_link(link.partition("#")[2]))
    assert main(["team", "list"]) == 0
    table = capsys.readouterr().out
    assert "left-handed, robotics background" in table
    assert "active" in table
    people.close()


def test_somebody_who_cannot_be_added(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["team", "add", "bert", "--role", "king"]) == 2
    assert "king" in capsys.readouterr().err
    assert main(["team", "add", "bert", *AT]) == 0
    assert main(["team", "add", "Bert", *AT]) == 10


def test_who_is_disabled_has_nothing_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = People(home / "feedback.db")
    bert = people.add("bert", "annotator")
    session, (token, _) = people.sessions.begin(bert), people.tokens.create(bert, "x", "annotator")
    assert main(["team", "disable", "bert"]) == 0
    assert capsys.readouterr().out == "bert is let in no more; ended: 1 sessions, 1 tokens\n"
    assert people.get("bert").disabled
    with pytest.raises(TokenError, match="disabled"):
        people.tokens.find(token)
    assert main(["team", "enable", "bert"]) == 0
    assert "may sign in again, by a link: robo-rlhf team link bert" in capsys.readouterr().out
    with pytest.raises(TokenError, match="revoked"):
        people.tokens.find(token)
    time.sleep(0.3)  # what another program changed is seen within a moment
    assert people.sessions.find(session) is None
    people.close()


def test_a_token_is_shown_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["team", "add", "bert", "--role", "operator", *AT]) == 0
    capsys.readouterr()
    assert main(["team", "token", "bert", "--create", "nightly export", "--role", "annotator", "--days", "30"]) == 0
    *_, secret = capsys.readouterr().out.split()
    assert secret.startswith("rlhf_")
    people = People(home / "feedback.db")
    assert people.tokens.find(secret, address="1.2.3.4").acting.role == "annotator"
    assert main(["team", "token", "bert", "--json"]) == 0
    text = capsys.readouterr().out
    assert secret not in text
    (row,) = json.loads(text)
    assert (row["number"], row["name"], row["role"], row["state"], row["from"]) == (
        1,
        "nightly export",
        "annotator",
        "live",
        "1.2.3.4",
    )
    assert secret.encode() not in (home / "feedback.db").read_bytes() + (home / "feedback.db-wal").read_bytes()
    assert main(["team", "token", "bert", "--revoke", "1"]) == 0
    assert main(["team", "token", "bert"]) == 0
    assert "revoked" in capsys.readouterr().out
    with pytest.raises(TokenError, match="revoked"):
        people.tokens.find(secret)
    people.close()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["bert", "--create", "x", "--role", "administrator"], 2, "operator or annotator: no more than bert may"),
        (["bert", "--create", "x", "--days", "0"], 2, "more than 0, at most 366"),
        (["bert", "--create", "x" * 65], 2, "1 to 64 characters"),
        (["bert", "--create", "x", "--revoke", "1"], 2, "one of them"),
        (["bert", "--revoke", "7"], 5, "No token '7'"),
        (["nobody"], 5, "No person 'nobody'"),
    ],
)
def test_tokens_that_cannot_be(options: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["team", "add", "bert", "--role", "operator", *AT]) == 0
    assert main(["team", "token", *options]) == code
    assert told in capsys.readouterr().err


def test_the_database_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBO_RLHF_DATABASE", str(tmp_path / "one.db"))
    assert main(["team", "add", "bert", *AT]) == 0
    assert main(["team", "add", "bert", "--database", str(tmp_path / "two.db"), *AT]) == 0
    for name in ("one.db", "two.db"):
        people = People(tmp_path / name)
        assert [person.name for person in people.list()] == ["bert"]
        people.close()
