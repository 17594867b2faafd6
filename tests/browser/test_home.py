import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out


@pytest.fixture(scope="module")
def runs(station: Served) -> Path:
    """Three runs: one finished, one at work, one that stopped yesterday and has a long name."""
    folder = station.home / "runs"
    for name in ("pick_place-0", "stack-3", "carry_upright-with-a-very-long-name-that-goes-on-and-on"):
        stage = folder / name / "round-1" / "finetune"
        stage.mkdir(parents=True)
        (stage / "config.json").write_text("{}")
        (folder / name / "config.json").write_text(json.dumps({"task": name.partition("-")[0]}))
    result = {"before": {"success": {"value": 0.45}}, "after": {"success": {"value": 0.96}}}
    (folder / "pick_place-0" / "result.json").write_text(json.dumps(result))
    stopped = folder / "carry_upright-with-a-very-long-name-that-goes-on-and-on"
    for path in (*stopped.rglob("*"), stopped):
        os.utime(path, (time.time() - 90_000,) * 2)
    return folder


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A station in which nothing was done yet."""
    with serving(tmp_path_factory.mktemp("untouched") / "home") as served:
        yield served


def test_home_says_what_to_do_next_and_what_was_done(page: Page, runs: Path) -> None:
    page.reload()
    expect(page).to_have_title("Home · robo-rlhf")
    expect(page.get_by_role("link", name="Record R")).to_be_visible()
    recorded = page.get_by_role("region", name="Recorded")
    expect(recorded.get_by_role("listitem").first).to_contain_text("episodes")
    expect(recorded).to_contain_text("pick_place")
    expect(recorded).to_contain_text("6 episodes")
    rows = page.get_by_role("region", name="Trained").get_by_role("row")
    expect(rows).to_have_count(4)
    expect(page.get_by_role("row", name="pick_place-0")).to_contain_text("45 % → 96 %")
    expect(page.get_by_role("row", name="stack-3")).to_contain_text("at work")
    expect(page.get_by_role("row", name="carry_upright")).to_contain_text("stopped")


def test_every_dataset_shows_a_picture(page: Page) -> None:
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.set img')];"
        " return all.length > 0 && all.every((image) => image.complete && image.naturalWidth === 320); }"
    )


def test_the_first_time_it_says_how_to_begin(untouched: Served, open_page: OpenPage) -> None:
    page = open_page(f"{untouched.url}/", link=untouched.link)
    expect(page.get_by_text("You have recorded nothing yet.")).to_be_visible()
    expect(page.get_by_text("a sample").first).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing is trained yet")).to_be_visible()
    assert findings(page) == []


def test_home_is_legible_and_fits(station: Served, runs: Path, open_page: OpenPage) -> None:
    page = open_page(f"{station.url}/", link=station.new_link("somebody-with-quite-a-long-name"))
    page.locator("#account summary").click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 768, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert findings(page) == []
            assert sticks_out(page) <= 0


def test_everything_is_reached_by_the_keyboard_alone(page: Page, station: Served) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Record R")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"))
        outlines = page.evaluate(
            """() => [document.activeElement, document.activeElement.closest(".set") || document.body]
              .map((element) => `${element.tagName} ${getComputedStyle(element).outlineStyle}`)"""
        )
        assert outlines[0].startswith(("BODY", "MAIN")) or any(line.endswith("solid") for line in outlines), outlines
    assert {"Record R", "Keys ?", "Operate"} <= seen
    page.locator("#account summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.keyboard.press("r")
    page.wait_for_url(f"{station.url}/operate")


def test_times_stay_true_while_the_page_is_open(page: Page) -> None:
    page.clock.install()
    page.reload()
    first = page.locator("time.ago").first
    before = first.inner_text()
    page.clock.fast_forward(3 * 3600 * 1000)
    expect(first).not_to_have_text(before)
    expect(first).to_have_text("3 h ago")
