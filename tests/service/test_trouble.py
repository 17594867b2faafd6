"""A full disk and a database that is away, as a browser sees them: nothing is acknowledged that is not on the disk."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from robo_rlhf.feedback.store import Store
from teleop.station.app import create_app
from teleop.station.services import Station
from teleop.station.web.security import CSRF_HEADER
from tests.data.conftest import small_disk as small_disk
from tests.data.making import SmallDisk
from tests.feedback.postgres import Server, server
from tests.service.filling import Amount, fill, films

LITTLE = Amount(clips=300, answers=0, waiting=500, people=1)
NEXT, ANSWER = "/api/review/next", "/api/review/answer"
ORIGIN = "http://localhost"


class Desk:
    """A station in this process, and an annotator at its review page."""

    def __init__(self, home: Path, where: str) -> None:
        """Ask a few hundred questions and sign in."""
        films(home, LITTLE)
        with Store(where) as store:
            store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
            fill(store, LITTLE)
        self.where, self.taken = where, list[str]()
        self.station = Station(home, database=where, lean=True)
        app = create_app(self.station)
        self.client = TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN}, raise_server_exceptions=False)
        self.client.__enter__()  # one event loop for all that is asked, as a server has
        link = self.station.people.sessions.link(self.station.people.add("anna", "annotator"))
        assert self.client.post("/enter", json={"token": link}).status_code == 200
        self.client.headers[CSRF_HEADER] = self.client.get("/session").json()["csrf"]

    def ask(self, have: list[int]) -> Any:
        """Ask for a question."""
        return self.client.post(NEXT, json={"run": LITTLE.run, "have": have})

    def say(self, question: Any, key: str, note: str = "") -> Any:
        """Answer; what is acknowledged is remembered."""
        body = {"question": question["question"], "lease": question["lease"], "key": key}
        told = self.client.post(ANSWER, json={**body, "value": {"choice": "A", "note": note}})
        if told.status_code == 200:
            self.taken.append(question["question"])
        return told

    def stored(self) -> list[str]:
        """Return the questions that were answered, as a program finds them that opens the database anew."""
        with Store(self.where) as store:
            return sorted(answer.question_id for answer in store.answers())

    def close(self) -> None:
        """Close both."""
        self.client.__exit__(None, None, None)
        self.station.close()


@pytest.fixture
def postgres() -> Iterator[Server]:
    with server("-c", "fsync=off") as running:
        yield running


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(small_disk: SmallDisk, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", str(small_disk.folder / "feedback.db"))
    first = desk.ask([]).json()["question"]
    second = desk.ask([first["lease"]]).json()["question"]
    assert desk.say(first, "k1").status_code == 200
    small_disk.fill()
    refused = [desk.say(second, "k2", "x" * 5000) for _ in range(3)]
    assert {told.status_code for told in refused} == {507}
    assert all(told.json()["code"] == "diskfull" for told in refused)
    assert desk.ask([second["lease"]]).status_code == 507
    assert desk.client.get("/session").status_code == 200, "read-only requests are served"
    small_disk.free()
    assert desk.say(second, "k2", "x" * 5000).status_code == 200
    desk.close()
    assert desk.stored() == sorted(desk.taken)
    assert len(desk.taken) == 2


def test_a_disk_that_fills_up_while_people_answer(small_disk: SmallDisk, tmp_path: Path) -> None:
    """Answers with long notes until the disk is full: all that were acknowledged are there, and no others."""
    desk = Desk(tmp_path / "home", str(small_disk.folder / "feedback.db"))
    for number in range(400):
        asked = desk.ask([])
        told = desk.say(asked.json()["question"], f"k{number}", "x" * 20_000) if asked.status_code == 200 else asked
        if told.status_code != 200:
            break
    assert told.status_code == 507
    desk.close()
    assert desk.stored() == sorted(desk.taken)


@pytest.mark.slow
def test_a_database_that_is_away_for_a_while(postgres: Server, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", postgres.url())
    question = desk.ask([]).json()["question"]
    postgres.stop(signal.SIGQUIT)
    for _ in range(3):
        told = desk.say(question, "k")
        assert (told.status_code, told.json()["code"]) == (503, "busy")
        assert desk.ask([question["lease"]]).status_code == 503
    page = desk.client.get("/review", headers={"accept": "text/html"})
    assert page.status_code == 503
    assert "The station is busy" in page.text
    postgres.start()
    assert desk.say(question, "k").json() == {"new": True, "counts": True, "feedback": None}
    assert desk.say(question, "k").json()["new"] is False
    assert desk.ask([]).status_code == 200
    desk.close()
    assert desk.stored() == desk.taken[:1]


def test_an_answer_into_a_home_that_is_gone_is_not_acknowledged(tmp_path: Path) -> None:
    """SQLite would go on with the file that was removed, and lose all that it says is kept."""
    desk = Desk(tmp_path / "home", str(tmp_path / "home" / "feedback.db"))
    first = desk.ask([]).json()["question"]
    second = desk.ask([first["lease"]]).json()["question"]
    assert desk.say(first, "k1").status_code == 200
    (tmp_path / "home").rename(tmp_path / "away")
    told = desk.say(second, "k2")
    assert (told.status_code, told.json()["code"]) == (507, "disk")
    assert "feedback.db cannot be written (it is gone" in told.json()["error"]
    assert not (tmp_path / "home").exists()
    (tmp_path / "away").rename(tmp_path / "home")
    assert desk.say(second, "k2").status_code == 200
    desk.close()
    assert desk.stored() == sorted(desk.taken)
    assert len(desk.taken) == 2
