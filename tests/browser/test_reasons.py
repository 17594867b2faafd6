"""Reasons on the pages: listed by an operator, picked by one key each, and stored with the answer."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.feedback.reasons.listed import Reason
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import sticks_out
from tests.browser.operating import sign_in
from tests.reviewing import ask, questions_about

PLAYS = "() => (document.querySelector('.clips.now video')?.currentTime || 0) > 0.05"


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("reasoned") / "home"
    shutil.copytree(sample_home, home)
    ask(home, questions_about(home, "samples/pick_place", "pairwise", 4, overlap=9, meta={"objects": ["cube", "bin"]}))
    with serving(home) as served:
        yield served


def stored(station: Served, count: int) -> list[Any]:
    until = time.monotonic() + 20
    with Store(station.home / "feedback.db") as store:
        while len(found := store.answers()) < count and time.monotonic() < until:
            time.sleep(0.1)
    assert len(found) == count
    return found


def listed(page: Page, station: Served) -> None:
    page.goto(f"{station.url}/guidelines?task=pick_place")
    page.get_by_text("List reasons").click()
    for row, (name, axis, direction) in enumerate((("too slow", "speed", "worse"), ("gentle", "care", "better")), 1):
        page.get_by_label(f"Reason {row}", exact=True).fill(name)
        page.get_by_label(f"Axis of reason {row}").fill(axis)
        page.get_by_label(f"Direction of reason {row}").select_option(direction)
    page.get_by_role("button", name="Save the list").click()
    expect(page.locator(".reasons-list")).to_contain_text("too slow worse in speed")


def test_reasons_are_listed_picked_marked_and_taken_back(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "olga", "operator")
    listed(page, station)
    page.goto(f"{station.url}/review")
    page.wait_for_function(PLAYS)
    place = page.locator("#reasons")
    expect(place.get_by_role("button", name="too slow")).to_contain_text("Q")
    assert not sticks_out(page)
    question = page.locator("#workspace").get_attribute("data-question") or ""
    left = page.locator(".clips.now .clip-of").first.get_attribute("data-name")
    page.keyboard.press("m")  # nothing is picked yet
    expect(page.locator("body")).to_contain_text("Pick a reason first")
    page.keyboard.press("q")
    page.keyboard.press("m")
    expect(place.locator("[aria-pressed=true]")).to_have_text(re.compile(r"too slow.* at \d\.\d s"))
    page.keyboard.press("a")
    page.keyboard.press("a")  # the second object
    expect(place.locator("[aria-pressed=true]")).to_have_text(re.compile(r"too slow.* bin at \d\.\d s"))
    page.keyboard.press("w")
    page.keyboard.press("w")  # of the left clip
    expect(place.locator("[aria-pressed=true]").last).to_contain_text("of A")
    page.keyboard.press("1")
    expect(page.locator("#workspace")).not_to_have_attribute("data-question", question)
    expect(place.locator("[aria-pressed=true]")).to_have_count(0)
    (answer,) = stored(station, 1)
    slow, gentle = answer.value["reasons"]
    assert answer.value["choice"] == gentle["clip"] == left
    assert (slow["axis"], slow["clip"]) == ("speed", "B" if left == "A" else "A")
    assert 0 <= slow["step"] <= 20
    assert (slow["object"], "object" in gentle) == ("bin", False)
    page.keyboard.press("z")
    expect(page.locator("#workspace")).to_have_attribute("data-question", question)
    expect(place.locator("[aria-pressed=true]")).to_have_count(2)


def test_opposite_reasons_of_one_clip_replace_each_other(station: Served, open_page: OpenPage) -> None:
    with Store(station.home / "feedback.db") as store:
        store.tasks.set_reasons("pick_place", [Reason("slow", "speed"), Reason("fast", "speed", "better")])
    time.sleep(2.1)  # the station remembers the list for a moment
    page = sign_in(open_page, station, "pia", "annotator")
    page.goto(f"{station.url}/review")
    page.wait_for_function(PLAYS)
    for key in "qqww":  # both of the left clip
        page.keyboard.press(key)
    pressed = page.locator("#reasons [aria-pressed=true]")
    expect(pressed).to_have_count(1)
    expect(pressed).to_contain_text("fast")


def test_notes_suggest_reasons_to_the_operator(station: Served, open_page: OpenPage) -> None:
    with Store(station.home / "feedback.db") as store:
        store.tasks.set_reasons("pick_place", [Reason("leans", "tilt")])
        for number, question in enumerate(store.questions()[:3]):
            note = ("dropped the cube", "cube dropped", "it dropped the cube early")[number]
            store.answer(question.id, f"person {number}", {"choice": "A", "note": note}, key=note)
    page = sign_in(open_page, station, "otto", "operator")
    page.goto(f"{station.url}/guidelines?task=pick_place")
    page.get_by_text("Change the reasons").click()
    page.get_by_text("Suggestions from notes").click()
    expect(page.locator("#suggestions")).to_contain_text("3 notes of 3 people")
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_label("Reason 2", exact=True)).to_have_value(re.compile("drop"))
