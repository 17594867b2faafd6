"""What is done with selected episodes of the library, in Chromium: compare them, export them."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served


def select(page: Page, station: Served, count: int) -> None:
    page.goto(f"{station.url}/library?dataset=samples/reach")
    boxes = page.locator("[data-index] input[type=checkbox]")
    expect(boxes.nth(count)).to_be_attached()
    for number in range(count):
        boxes.nth(number).check(force=True)
    expect(page.get_by_text(f"{count} selected")).to_be_visible()


def test_two_selected_episodes_are_compared_at_once(page: Page, station: Served) -> None:
    select(page, station, 2)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Along the axes of the task").click()
    page.wait_for_url("**/review?run=compared-1")
    expect(page.locator(".clips.now .clip-of")).to_have_count(2)
    expect(page.get_by_text("smoothness")).to_be_visible()


def test_selected_episodes_are_exported_in_the_background(page: Page, station: Served) -> None:
    select(page, station, 2)
    page.get_by_role("button", name="Export", exact=False).last.click()
    page.select_option("#export-format", "lerobot")
    page.locator("dialog").get_by_role("button", name="Export").click()
    expect(page.get_by_text("are written in the background")).to_be_visible()
    page.goto(f"{station.url}/exports")
    expect(page.locator("[data-export]")).to_have_attribute("data-state", "done", timeout=60_000)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert Path(started.value.suggested_filename).suffix == ".zip"
    (made,) = [path for path in (station.home / "exports").iterdir() if path.is_dir()]
    assert json.loads((made / "meta/info.json").read_text())["total_episodes"] == 2
