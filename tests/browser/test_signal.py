"""Evaluative feedback in Chromium: presses are shown at once, stored durably, kept while offline, undone."""

import os
import shutil
import signal as signals
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in
from tests.teleop.policy_probe.making import PLAIN, models

SAVED = "() => document.querySelectorAll('#marks [data-saved=true]').length"


@pytest.fixture(scope="module")
def home(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("signalled") / "home"
    shutil.copytree(sample_home, home)
    models(home)
    return home


@pytest.fixture
def station(home: Path) -> Iterator[Served]:
    with serving(home) as served:
        yield served


def watch(page: Page, station: Served, home: Path) -> tuple[str, str]:
    """Open a recorded episode and return where it lies."""
    episode = sorted((home / "samples/reach/episodes").iterdir())[0].name.partition(".")[0]
    page.goto(f"{station.url}/signal?dataset=samples/reach&episode={episode}")
    page.wait_for_function("() => document.querySelector('#stage video')?.readyState >= 2")
    return "samples/reach", episode


def saved(page: Page, count: int) -> None:
    page.wait_for_function(f"() => ({SAVED})() === {count}")


def test_presses_of_a_recorded_episode_offline_undone_and_after_a_kill(
    open_page: OpenPage, station: Served, home: Path
) -> None:
    page = sign_in(open_page, station, "ann", "annotator", width=390, dark=True)
    dataset, episode = watch(page, station, home)
    page.select_option("#rate", "0.25")
    page.keyboard.press("Space")
    page.wait_for_function("() => Number(document.getElementById('scrub').value) > 3")
    page.keyboard.press("Equal")
    saved(page, 1)
    page.context.set_offline(True)
    page.click("#bad")
    page.keyboard.press("NumpadAdd")
    page.wait_for_selector("#saved >> text=kept here until")
    assert page.inner_text("#counts") == "2 good, 1 bad"
    page.keyboard.press("z")
    page.context.set_offline(False)
    saved(page, 2)
    page.wait_for_selector("#saved >> text=All saved")
    assert not findings(page)
    assert sticks_out(page) <= 0
    page.reload()
    saved(page, 2)  # back and reload never lose work

    page.keyboard.press("-")
    saved(page, 3)
    os.kill(station.process.pid, signals.SIGKILL)
    station.process.wait()
    with Store(home / "feedback.db") as store:
        found = store.signals.list(dataset=dataset, episode=episode)
        assert [press.sign for press in found] == [1, -1, -1]
        assert {press.source for press in found} == {"replay"}
        assert found[0].rate == pytest.approx(5.0), "a quarter of 20 steps a second"
        assert found[0].step > 3
        assert len(store.signals.list(withdrawn=True)) == 4


def test_an_operator_lets_a_policy_drive_and_others_press(open_page: OpenPage, station: Served, home: Path) -> None:
    operator = sign_in(open_page, station, "olga", "operator")
    operator.goto(f"{station.url}/signal")
    operator.select_option("#policy", label=f"reach: {PLAIN}")
    operator.click("#go")
    operator.wait_for_url("**/signal?session=*", timeout=60_000)
    operator.wait_for_selector("#start:not([disabled])", timeout=60_000)
    operator.wait_for_function("() => document.getElementById('who').textContent === 'plain drives'", timeout=60_000)
    annotator = sign_in(open_page, station, "ann", "annotator", width=390)
    annotator.goto(operator.url)
    annotator.wait_for_selector("#view canvas[data-frame]")
    assert annotator.is_hidden("#drive")
    annotator.click("#good")
    annotator.locator('.toast:has-text("No episode runs")').wait_for()
    operator.click("#start")
    annotator.wait_for_function("() => Number(document.getElementById('scrub').value) > 5")
    annotator.click("#good")
    operator.keyboard.press("Minus")
    saved(annotator, 1)
    saved(operator, 1)
    operator.click("#keep")
    operator.wait_for_selector("#note >> text=No episode runs")  # what was pressed stays, to be taken back
    with Store(home / "feedback.db") as store:
        found = [press for press in store.signals.list() if press.session and press.session in operator.url]
    assert {(press.annotator, press.sign) for press in found} == {("ann", 1), ("olga", -1)}
    assert {(press.run, press.dataset) for press in found} == {("plain", "live")}
    assert all(press.delay is not None and press.source == "live" for press in found)
    assert (home / "live" / "episodes" / f"{found[0].episode_id}.parquet").exists()
    assert not findings(operator)
