"""Question kinds of a user's own file on the review page: drawn and answered without a line for them."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in
from tests.guesting import at_home
from tests.reviewing import ask, questions_about

BEST, SLIDER = "my_kinds:BestOfThree", "my_kinds:Slider"


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("guests")
    shutil.copytree(sample_home, folder / "home")
    with at_home(folder / "code", ["my_kinds"]):
        asked = questions_about(folder / "home", "samples/pick_place", BEST, 2, run="best", overlap=9)
        asked += questions_about(folder / "home", "samples/pick_place", SLIDER, 2, run="slider", overlap=9)
        ask(folder / "home", asked)
        with serving(folder / "home") as served:
            yield served


def answered(station: Served, run: str, page: Page, before: str) -> dict[str, object]:
    expect(page.locator("#workspace")).not_to_have_attribute("data-question", before)
    until = time.monotonic() + 20
    with Store(station.home / "feedback.db") as store:
        while not (found := store.answers(run=run)) and time.monotonic() < until:
            time.sleep(0.1)
    (answer,) = found
    return dict(answer.value)


def open_run(station: Served, open_page: OpenPage, run: str) -> tuple[Page, str]:
    page = sign_in(open_page, station, run, "annotator")
    page.goto(f"{station.url}/review?run={run}")
    page.wait_for_function("() => document.querySelector('.clips.now video')?.currentTime > 0.05")
    return page, page.locator("#workspace").get_attribute("data-question") or ""


def test_the_best_of_three(station: Served, open_page: OpenPage) -> None:
    page, before = open_run(station, open_page, "best")
    expect(page.get_by_role("heading", name="Which of the three is the best?")).to_be_visible()
    clips = page.locator(".clips.now .clip-of")
    expect(clips).to_have_count(3)
    third = clips.nth(2).get_attribute("data-name")
    assert (findings(page), sticks_out(page)) == ([], 0.0)
    page.keyboard.press("3")
    assert answered(station, "best", page, before) == {"choice": third}


def test_a_slider(station: Served, open_page: OpenPage) -> None:
    page, before = open_run(station, open_page, "slider")
    done = page.get_by_role("button", name="Done")
    expect(done).to_be_disabled()
    page.keyboard.press("s")
    scale = page.get_by_role("slider", name="Score")
    expect(scale).to_be_focused()
    for _ in range(23):
        page.keyboard.press("ArrowRight")
    expect(page.locator("output.number")).to_have_text("73")
    assert (findings(page), sticks_out(page)) == ([], 0.0)
    expect(done).to_be_enabled()
    page.keyboard.press("Enter")
    assert answered(station, "slider", page, before) == {"score": 73}
