"""Failures around the review page: half an hour offline, an unavailable database, a wrong clock."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.accounts.people import People
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.test_review import PLAYS, answers, plays, press, shown
from tests.feedback.postgres import server
from tests.reviewing import questions_about

LEASE = 5.0  # [s]
HALF_AN_HOUR = 30 * 60


def fill(home: Path, where: str, lease: float) -> None:
    with Store(where) as store:
        store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0, lease=lease)
        store.add_questions(questions_about(home, "samples/pick_place", "approval", 20, run="asked", overlap=9))


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("away") / "home"
    shutil.copytree(sample_home, home)
    fill(home, str(home / "feedback.db"), LEASE)
    with serving(home) as served:
        yield served


@pytest.fixture
def store(station: Served) -> Iterator[Store]:
    with Store(station.home / "feedback.db") as store:
        yield store


def start(page: Page, station: Served) -> Page:
    page.wait_for_url(f"{station.url}/")
    page.goto(f"{station.url}/review?run=asked")
    plays(page)
    return page


def look(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_half_an_hour_without_a_network_loses_and_doubles_nothing(
    open_page: OpenPage, station: Served, store: Store
) -> None:
    page = open_page(station.new_link("away", "annotator"))
    page.clock.install()
    start(page, station)
    expect(page.locator("#stages .clips")).to_have_count(3)
    page.context.set_offline(True)
    asked = [press(page, "1"), press(page, "2")]
    expect(page.locator("#outbox")).to_contain_text("2 answers are kept here until the station can be reached")
    asked.append(shown(page))
    plays(page)
    page.keyboard.press("1")
    expect(page.locator("#outbox")).to_contain_text("3 answers are kept here")
    page.clock.fast_forward(1000 * HALF_AN_HOUR / 2)
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.reload()
    time.sleep(LEASE)  # their time is over, and others could have the questions
    store.leases.end_overdue()
    page.clock.fast_forward(1000 * HALF_AN_HOUR / 2)
    page.context.set_offline(False)
    page.goto(f"{station.url}/review?run=asked")
    expect(page.locator("#account summary")).to_be_visible()
    found = answers(store, page, 3)
    assert [answer.question_id for answer in found] == asked
    plays(page)
    assert shown(page) not in asked
    asked.append(press(page, "1"))
    assert [answer.question_id for answer in answers(store, page, 4)] == asked
    assert len(store.history("away")) == 4
    assert page.locator("#outbox").is_hidden()


@pytest.mark.parametrize("ahead", [3600, pytest.param(-3600, marks=pytest.mark.slow)])
def test_a_clock_that_is_wrong_by_an_hour_changes_nothing(
    ahead: int, open_page: OpenPage, station: Served, store: Store
) -> None:
    page = open_page(station.new_link(f"clock{ahead}", "annotator"))
    page.add_init_script(f"const now = Date.now; Date.now = () => now() + {1000 * ahead};")
    start(page, station)
    asked = [press(page, "1"), press(page, "1")]
    found = answers(store, page, 2)
    assert [answer.question_id for answer in found] == asked
    assert all(0 < (answer.response_time or 0) < 60 for answer in found)
    (newest, *_) = store.history(f"clock{ahead}")
    age = datetime.now(UTC) - datetime.fromisoformat(newest[2])
    assert abs(age.total_seconds()) < 600, "answers are dated by the station"


@pytest.mark.slow
def test_answers_wait_while_the_database_is_away(open_page: OpenPage, sample_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(sample_home, home)
    with server("-c", "fsync=off") as postgres:
        fill(home, postgres.url(), 600.0)
        with serving(home, "--database", postgres.url()) as station:
            people = People(postgres.url())
            link = people.sessions.link(people.add("anna", "annotator"))
            people.close()
            page = start(open_page(f"{station.url}/enter#{link}"), station)
            expect(page.locator("#stages .clips")).to_have_count(3)
            postgres.stop(signal.SIGQUIT)
            asked = [press(page, "1"), press(page, "2")]
            expect(page.locator("#outbox")).to_contain_text("2 answers are kept here until the station can take them")
            page.wait_for_timeout(3000)
            postgres.start()
            with Store(postgres.url()) as store:
                look(lambda: len(store.answers()) == 2)
                assert [answer.question_id for answer in store.answers()] == asked
                expect(page.locator("#outbox")).to_be_hidden(timeout=30_000)
                page.wait_for_function(PLAYS)
                asked.append(press(page, "1"))
                look(lambda: len(store.answers()) == 3)
                assert len(store.history("anna")) == 3
