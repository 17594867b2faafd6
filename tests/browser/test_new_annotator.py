"""The way of a new annotator, in Chromium: invitation, guidelines, practice, work, and the monitor."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.assignment.gold import GoldQuestion
from robo_rlhf.feedback.records import Answer
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.reviewing import ask, questions_about

DATASET, PASSWORD = "samples/pick_place", "some words of mine"
KEYS = {
    "pairwise": ["1"],
    "ranking": ["3", "1", "2", "Enter"],
    "rating": ["4", "2"],
    "approval": ["1"],
    "moments": ["=", "-", "Enter"],
    "correction": ["1"],
}
CRITERIA = {"criteria": ["gentleness", "speed"]}
EACH = 2  # questions of a kind
GONE = (
    "name => { const all = document.getElementById('workspace'); return all.hidden || all.dataset.question !== name; }"
)
PLAYS = "() => (document.querySelector('.clips.now video')?.currentTime || 0) > 0.05"


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A station with a run, guidelines, two questions to practise on, and two of each kind to answer."""
    home = tmp_path_factory.mktemp("newcomer") / "home"
    shutil.copytree(sample_home, home)
    asked = []
    for kind in KEYS:
        meta: Any = CRITERIA if kind == "rating" else {}
        asked += questions_about(home, DATASET, kind, EACH, run="first", meta=meta)
    known = [replace(one, role="practice") for one in questions_about(home, DATASET, "pairwise", 2, run="known")]
    ask(home, [*known, *asked])
    with Store(home / "feedback.db") as store:
        for question in known:
            store.gold.set(question.id, {"choice": "A"}, explanation="It is set down, not dropped.")
        store.tasks.write_guidelines("pick_place", "# What counts\n\nThe cube is *set down* in the bin.", "olga")
    Run(home / "runs" / "first", {"task": "pick_place", "demos": 5, "annotator": "human"}).event("session")
    with serving(home) as served:
        yield served


def test_from_an_invitation_to_the_monitor(station: Served, open_page: OpenPage) -> None:
    page = open_page(invited(station, open_page))
    page.wait_for_url("**/account")
    with Store(station.home / "feedback.db") as store:
        choose_a_password(page)
        read_and_go_to_practise(page, store)
        practise(page, {known.question: known for known in store.gold.list()})
        assert store.answers() == []  # practice counts for nothing
        work(page, store)
        watch(page)


def invited(station: Served, open_page: OpenPage) -> str:
    """Return the link that an administrator's page gives for a new user."""
    page = open_page(station.new_link())
    page.wait_for_url(f"{station.url}/")
    page.goto(f"{station.url}/accounts")
    page.keyboard.press("i")
    page.keyboard.type("anna")
    page.keyboard.press("Enter")
    return page.get_by_role("textbox", name="A link for anna").input_value()


def choose_a_password(page: Page) -> None:
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button", name="Choose it").click()
    expect(page.get_by_text("Your password is set")).to_be_visible()
    fits(page)


def read_and_go_to_practise(page: Page, store: Store) -> None:
    """Read the guidelines; the next version of them is shown before the first question."""
    page.get_by_role("link", name="read what counts and practise").click()
    expect(page.get_by_role("heading", name="pick_place")).to_be_visible()
    fits(page)
    page.get_by_role("link", name="Read").click()
    expect(page.locator("article em")).to_have_text("set down")
    store.tasks.write_guidelines("pick_place", "# What counts\n\nThe cube lies *flat*.", "olga")
    page.get_by_role("link", name="Practise").click()
    dialog = page.get_by_role("dialog", name="Guidelines: pick_place")
    expect(dialog.locator("em")).to_have_text("flat")
    fits(page)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def practise(page: Page, known: dict[str, GoldQuestion]) -> None:
    """Answer one question right and one wrong; each time the page says so, and why."""
    for right in (True, False):
        page.wait_for_function(PLAYS)
        expect(page.get_by_text("Answers do not count here")).to_be_visible()
        expected = known[shown(page)].expected["choice"]
        left = page.locator(".clips.now .clip-of").first.get_attribute("data-name") == expected
        page.keyboard.press("1" if left == right else "2")
        feedback = page.locator(".feedback")
        expect(feedback).to_contain_text("Right" if right else "Not quite")
        expect(feedback).to_contain_text("It is set down, not dropped.")
        if not right:
            expect(feedback).to_contain_text(
                "Your answer: A is better. Expected: B is better." if not left else "Your answer: B"
            )
            fits(page)
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Practice is over")).to_be_visible()
    page.get_by_role("link", name="To the real questions").click()
    page.wait_for_url("**/review?task=pick_place")


def work(page: Page, store: Store) -> None:
    """Answer everything; take the first two back once they are answered, and leave a note with the first."""
    kinds = {question.id: question.kind for question in store.questions(run="first")}
    first, second = answer(page, kinds), answer(page, kinds)
    for name in (second, first):
        page.keyboard.press("z")
        expect(page.locator("#workspace")).to_have_attribute("data-question", name)
    arrived(store, 0)
    page.wait_for_function(PLAYS)
    page.keyboard.press("n")
    page.keyboard.type("the left one wobbles 2 z")
    page.keyboard.press("Enter")
    assert shown(page) == first  # keys rest while the user types
    assert answer(page, kinds) == first
    for _ in range(len(KEYS) * EACH - 1):
        answer(page, kinds)
    expect(page.get_by_role("heading", name=f"All {len(KEYS) * EACH} answered")).to_be_visible()
    check(store, arrived(store, len(KEYS) * EACH), first)


def check(store: Store, found: list[Answer], first: str) -> None:
    """Check that what was pressed has arrived, each answer once, and that the clips are named as in the question."""
    questions = {question.id: question for question in store.questions(run="first")}
    assert {answer.question_id for answer in found} == set(questions)
    assert {(answer.annotator, answer.annotator_kind) for answer in found} == {("anna", "human")}
    for one in found:
        clips, value = list(one.shown or ""), dict(one.value)
        note = value.pop("note", None)
        assert note == ("the left one wobbles 2 z" if one.question_id == first else None)
        kind = questions[one.question_id].kind
        if kind == "moments":
            assert [press["sign"] for press in value["presses"]] == [1, -1]
            continue
        expected = {
            "pairwise": {"choice": clips[0]},
            "ranking": {"ranking": [[clips[place]] for place in (2, 0, 1)] if kind == "ranking" else None},
            "rating": {"ratings": {"gentleness": 4, "speed": 2}},
            "approval": {"choice": "bad"},
            "correction": {"choice": "fine"},
        }
        assert value == expected[kind], kind
        assert 0 < (one.response_time or 0) < 120


def watch(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Learn").click()
    expect(page.locator("#runs")).to_contain_text("first")
    fits(page)


def answer(page: Page, kinds: dict[str, str]) -> str:
    """Answer the question that is shown, and return which it was."""
    page.wait_for_function(PLAYS)
    name = shown(page)
    for key in KEYS[kinds[name]]:
        page.keyboard.press(key)
    page.wait_for_function(GONE, arg=name)
    return name


def shown(page: Page) -> str:
    return page.locator("#workspace").get_attribute("data-question") or ""


def arrived(store: Store, count: int) -> list[Answer]:
    """Wait until so many answers are there and hold."""
    until = time.monotonic() + 20
    while len(found := store.answers()) != count and time.monotonic() < until:
        time.sleep(0.1)
    assert len(found) == count
    return found


def fits(page: Page) -> None:
    """Check that a page is legible, wide and on a phone."""
    for width, height in ((390, 844), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        assert sticks_out(page) <= 0, page.url
    assert findings(page) == []
