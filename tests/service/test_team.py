"""A team at a separate station, over HTTP: nothing is lost, doubled or assigned too often, whatever is killed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import leases, questions
from tests.feedback.postgres import server
from tests.service.crowd import Plan, Seen
from tests.service.filling import Amount, fill, films
from tests.service.one import Browser
from tests.service.running import check_nothing_lost, crowd, links, running, wait_for_answers
from tests.service.two_stations import two_stations

LITTLE = Amount(clips=300, answers=0, waiting=3000, people=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that waits for the disk, as a real one does."""
    if request.param == "sqlite":
        yield str(tmp_path / "home" / "feedback.db")
        return
    with server() as found:
        yield found.url()


def ask(home: Path, where: str, much: Amount, **sharing: float) -> None:
    films(home, much)
    with Store(where) as store:
        store.tasks.set_sharing(**{"gold_share": 0.0, "repeat_share": 0.0, **sharing})
        fill(store, much)


@pytest.mark.slow
def test_a_killed_station_loses_no_answer(where: str, tmp_path: Path) -> None:
    """Twenty people; the station is killed twice while they answer; whatever failed they send again."""
    home = tmp_path / "home"
    ask(home, where, LITTLE)
    with running(home, where) as station:
        plan = Plan(station.port, links(where, [f"p{i}" for i in range(20)]), LITTLE.run, every=0.2, seconds=300.0)
        with crowd(plan) as people:
            people.begin()
            for _ in range(2):
                wait_for_answers(where, 30)
                station.kill_and_start()
            wait_for_answers(where, 30)
            people.call_it_a_day()
            seen = people.end()
    with Store(where) as store:
        check_nothing_lost(store, seen, LITTLE.run)
    assert len(seen.acknowledged) >= 70
    assert seen.broken > 0
    assert seen.doubled == 0
    assert set(seen.statuses) == {"200"}, seen.odd[:3]


def leave_lying(where: str, home: Path, people: int, waiting: int) -> Seen:
    """Let people answer what waits, each of whom leaves every fourth question lying for a second."""
    much = Amount(clips=300, answers=0, waiting=waiting, people=1, overlap=3)
    ask(home, where, much, lease=1.0)
    with running(home, where) as station:
        found = links(where, [f"p{i}" for i in range(people)])
        plan = Plan(station.port, found, much.run, every=0.1, seconds=300.0, lazy=0.25, enough=4.0)
        with crowd(plan) as those:
            those.begin()
            return those.end()


@pytest.mark.slow
def test_no_question_goes_to_too_many_and_what_is_left_lying_goes_to_others(where: str, tmp_path: Path) -> None:
    seen = leave_lying(where, tmp_path / "home", people=200, waiting=400)
    with Store(where) as store:
        check_nothing_lost(store, seen, "live")
        with store.database.read() as connection:
            given = connection.scalars(sa.select(questions.c.given)).all()
            lay = connection.scalar(sa.select(sa.func.count()).where(leases.c.state == "expired")) or 0
    assert seen.doubled == 0
    assert set(seen.statuses) == {"200"}, seen.odd[:3]
    assert lay > 0
    assert given == [3] * 400, "what was left lying was answered by others"


def test_one_answer_sent_fifty_times_at_once_is_one_row_and_one_reply(where: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ask(home, where, LITTLE)
    with running(home, where) as station, Browser(station.port, links(where, ["anna"])["anna"]) as anna:
        question = anna.send("/api/review/next", {"run": LITTLE.run}).json()["question"]
        body = {"question": question["question"], "lease": question["lease"], "key": "k", "seconds": 2.0}
        body["value"] = question["controls"][0]["value"]
        with ThreadPoolExecutor(50) as threads:
            replies = list(threads.map(lambda _: anna.again("/api/review/answer", body), range(50)))
        other = anna.send("/api/review/answer", {**body, "value": question["controls"][1]["value"]})
    assert {reply.status_code for reply in replies} == {200}
    told = [reply.json() for reply in replies]
    assert sorted(reply.pop("new") for reply in told) == [False] * 49 + [True]
    assert told == [{"counts": True, "feedback": None}] * 50
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    with Store(where) as store:
        assert [(answer.annotator, answer.value) for answer in store.answers()] == [("anna", body["value"])]
        assert len(store.history("anna")) == 1


@pytest.mark.slow
def test_two_stations_on_one_database_are_restarted_in_turn(tmp_path: Path) -> None:
    """Twenty people at two stations: what `bench_service` measures with two hundred."""
    with server() as postgres:
        two_stations(tmp_path, postgres.url(), people=20, every=1.0, seconds=24.0)
