"""Ambiguous questions on the quality page."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import sticks_out
from tests.browser.operating import sign_in
from tests.reviewing import ask, questions_about


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("unclear") / "home"
    shutil.copytree(sample_home, home)
    questions = questions_about(home, "samples/pick_place", "pairwise", 12, overlap=9)
    ask(home, questions)
    with Store(home / "feedback.db") as store:
        for number, question in enumerate(questions):
            for place, person in enumerate(("ann", "bo", "cleo", "dan")):
                choice = "AB"[place % 2] if number == 5 else "A"
                store.answer(question.id, person, {"choice": choice}, key=f"{person}{number}")
    with serving(home) as served:
        yield served


def test_what_people_disagree_about_is_listed_with_what_to_do(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "olga", "operator")
    page.goto(f"{station.url}/quality")
    expect(page.locator("#ambiguous li")).to_have_count(1, timeout=30_000)
    expect(page.locator("#ambiguous")).to_contain_text("say in the guidelines what counts here")
    expect(page.locator("#ambiguous")).to_contain_text("A is better: 2 · B is better: 2")
    expect(page.locator("#ambiguous a").first).to_have_text("Clip A")
    assert not sticks_out(page)
