"""The policy probe in Chromium: the arrow at a frame, a what-if rollout beside the recording, a question for people."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from robo_rlhf.feedback.store import Store
from robo_rlhf.processes.worker import START
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in
from tests.teleop.policy_probe.making import FLOW, PLAIN, models


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("asked") / "home"
    shutil.copytree(sample_home, home)
    models(home)
    with serving(home) as served:
        yield served


def wait_until_seen(page: Page, frame: str = "") -> None:
    """Wait for the arrow at a frame; the process that works it out has to start first."""
    wanted = f"[data-frame='{frame}']" if frame else "[data-frame]"
    try:
        page.wait_for_selector(f"#stage{wanted}", timeout=START * 1000)
    except PlaywrightTimeoutError as error:
        raise AssertionError(f"no arrow within {START:.0f} s; the page says {page.inner_text('#note')!r}") from error


def test_ask_imagine_and_answer_back(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ann", "annotator", width=1280)
    page.goto(f"{station.url}/ask?task=reach&policy={FLOW}")
    wait_until_seen(page)
    assert page.locator("#bars .bar").count() == 5
    page.wait_for_selector("#worth .band")
    page.focus(".scrub")
    for _ in range(12):
        page.keyboard.press("ArrowRight")  # the newest wins; none before it has to be answered
    page.wait_for_function("() => document.querySelector('#stage').dataset.frame === '12'")
    assert "frame 12" in page.inner_text("#clock")
    assert "reward" in page.inner_text("#worth figcaption")
    assert page.is_hidden("#correct")
    assert page.is_visible("#correct-not")

    page.select_option("#seconds", "1")
    page.locator("#stage").click()
    page.keyboard.press("i")
    page.wait_for_selector("#duo[data-ms]", timeout=60_000)
    assert "futures of 1.0 s" in page.inner_text("#future-about")
    assert page.locator("#worth path.ahead").count() == 1
    assert "It looks at" in page.inner_text("#worth")  # below the curve, which was drawn anew
    page.wait_for_function("() => document.getElementById('duo-clock').textContent !== '0.00 s'")
    assert not findings(page)
    assert sticks_out(page) <= 0

    page.select_option("#other", PLAIN)
    page.click("#compare")
    page.locator('.toast:has-text("waits on the review page")').wait_for(timeout=60_000)
    with Store(station.home / "feedback.db") as store:
        (question,) = store.questions(run="ask")
    assert {clip.start for clip in question.segments} == {12}
    page.click(".toast >> text=Review it")
    page.wait_for_url("**/review?run=ask")
    page.wait_for_selector(".clips.now video")


def test_the_library_leads_to_it_and_an_operator_may_correct(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "olga", "operator", width=390, dark=True)
    page.goto(f"{station.url}/library?task=reach")
    page.locator("#episodes li a").first.click()
    page.click("text=Ask a policy here")
    page.wait_for_url("**/ask?*")
    wait_until_seen(page)
    assert "mode=takeover" in (page.get_attribute("#correct", "href") or "")
    assert not findings(page)
    assert sticks_out(page) <= 0


def test_a_process_that_dies_is_said_and_the_page_asks_again(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ann", "annotator")
    page.goto(f"{station.url}/ask?task=reach&policy={FLOW}")
    wait_until_seen(page)
    page.wait_for_load_state("networkidle")  # nothing else is being answered, which would be told in its place
    (process,) = station.children("teleop.policy_probe.worker")
    os.kill(process, signal.SIGSTOP)
    page.focus(".scrub")
    page.keyboard.press("ArrowRight")
    page.locator("#note:has-text('The policy is being loaded')").wait_for()
    os.kill(process, signal.SIGKILL)
    page.locator("#note:has-text('ended (killed by signal 9) before it had an answer')").wait_for()
    assert not findings(page)
    page.click("#bars-about >> text=Ask again")
    wait_until_seen(page, "1")
    assert page.is_hidden("#note")


def test_without_a_policy_it_says_how_to_train_one(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ann", "annotator")
    page.goto(f"{station.url}/ask?task=pick_place")
    page.wait_for_selector("#bars-about code")
    assert "train bc --task pick_place" in page.inner_text("#bars-about")
    assert "train reward --task pick_place" in page.inner_text("#worth")
    assert page.is_disabled("#rollout")
