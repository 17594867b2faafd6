"""Ambiguous questions, and answers that a reward expects least, on the quality page and among one's own answers."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.feedback.quality.predictions import keep_predictions
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


def keep(home: Path, person: str, chances: dict[str, float]) -> None:
    folder = home / "runs" / "asked"
    folder.mkdir(parents=True, exist_ok=True)
    keep_predictions(folder, {person: chances}, until=1000)


def test_what_people_disagree_about_is_listed_with_what_to_do(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "olga", "operator")
    page.goto(f"{station.url}/quality")
    expect(page.locator("#ambiguous li")).to_have_count(1, timeout=30_000)
    expect(page.locator("#ambiguous")).to_contain_text("say in the guidelines what counts here")
    expect(page.locator("#ambiguous")).to_contain_text("A is better: 2 · B is better: 2")
    expect(page.locator("#ambiguous a").first).to_have_text("Clip A")
    assert not sticks_out(page)


def post(page: Page, station: Served, what: str, body: dict[str, Any]) -> Any:
    headers = {"origin": station.url, "x-csrf-token": str(page.locator('meta[name="csrf"]').get_attribute("content"))}
    answer = page.request.post(f"{station.url}/api/review/{what}", data=body, headers=headers)
    assert answer.ok, answer.text()
    return answer.json()


def test_people_see_which_of_their_answers_a_reward_expects_otherwise(station: Served, open_page: OpenPage) -> None:
    home = station.home
    page = sign_in(open_page, station, "eva", "annotator")
    page.goto(f"{station.url}/answers")
    mine = []
    for number in range(3):
        question = post(page, station, "next", {})["question"]
        mine.append(question["question"])
        about = {"question": question["question"], "lease": question["lease"]}
        post(page, station, "answer", {**about, "value": {"choice": "A"}, "key": f"key number {number}"})
    keep(home, "eva", {name: 0.13 if number == 0 else 0.91 for number, name in enumerate(mine)})
    page.goto(f"{station.url}/answers")
    expect(page.locator("#learned-words")).to_contain_text("and 1 otherwise")
    expect(page.locator("#answered li")).to_have_count(len(mine))
    expect(page.locator("#answered")).to_contain_text("The reward expects otherwise (87 % sure")
    page.get_by_label("Only where the reward expects otherwise").check()
    expect(page.locator("#answered li")).to_have_count(1)
    assert not sticks_out(page)
    lead = sign_in(open_page, station, "olga", "operator")
    lead.goto(f"{station.url}/quality")
    expect(lead.locator("#surprises li")).to_have_count(1, timeout=30_000)
    expect(lead.locator("#surprises")).to_contain_text("87 % sure of another answer")
    expect(lead.locator("#surprises-people")).to_contain_text(f"eva: {len(mine) - 1} of {len(mine)}")
    assert not sticks_out(lead)
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#given")).to_contain_text(
        "You had answered: ", timeout=60_000
    )  # in the order in which it is shown
    expect(page.locator(".button.given")).to_have_attribute("data-value", '{"choice":"A"}')
