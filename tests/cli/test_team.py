import io
from pathlib import Path

import pytest

from robo_rlhf.cli.main import main
from robo_rlhf.feedback.people import People

PASSWORD = "some words to remember"


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
    assert main(["team", "link"]) == 0
    links = capsys.readouterr().out.split()
    assert links[0].startswith("https://station.example/enter#")
    assert links[1].startswith("http://127.0.0.1:8600/enter#")
    assert [people.sessions.use_link(link.partition("#")[2]).name for link in links] == ["bert", "anna"]
    people.close()
