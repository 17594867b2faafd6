"""The arena in Chromium: started on its page, judged blindly on the review page, and its results."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.cli.main import main
from robo_rlhf.feedback.arena.arena import Arena
from robo_rlhf.feedback.store import Store
from tests.arenas import save_policies
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out

PATIENCE = 90_000  # [ms] for a process that loads the simulator on a busy machine
PLAYS = """() => {
  const videos = [...document.querySelectorAll(".clips.now video")];
  return videos.length === 2 && videos.every((video) => video.currentTime > 0);
}"""


@pytest.fixture(scope="module")
def arena_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with policies and an arena that people are to judge."""
    home = tmp_path_factory.mktemp("arena") / "home"
    save_policies(home, "cautious-one", "hasty-one", "spare-one")
    for name in ("named", "blind"):
        command = ["arena", "--policies", "cautious-one", "hasty-one", "--seeds", "2", "--name", name]
        assert main([*command, "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="module")
def station(arena_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(arena_home, home)
    with Store(home / "feedback.db") as store:
        store.tasks.set_sharing(gold_share=0.0, repeat_share=0.0)
    with serving(home) as served:
        yield served


def enter(open_page: OpenPage, station: Served, name: str, path: str, **options: object) -> Page:
    return open_page(f"{station.url}{path}", link=station.new_link(name, "operator"), **options)


def test_an_arena_is_started_in_the_page_and_shows_who_is_better(open_page: OpenPage, station: Served) -> None:
    page = enter(open_page, station, "olga", "/arena")
    expect(page.locator("#arenas h3")).to_have_text(["blind", "named"])
    page.select_option("#task", "reach")
    for name in ("hasty-one", "spare-one"):
        page.get_by_label(name).check()
    page.get_by_label("Simulated teachers").check()
    page.get_by_label("Seeds").fill("3")
    expect(page.locator("#sum")).to_have_text("3 questions, 3 answers in all.")
    page.get_by_label("Name").fill("by machine")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("letters, digits and . _ + = -, the first a letter or digit")
    page.get_by_label("Name").fill("by-machine")
    assert findings(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/arena/by-machine")
    expect(page.locator("#state")).to_have_text("finished", timeout=PATIENCE)
    expect(page.locator("#verdict")).to_have_text(re.compile(r"hasty-one|spare-one"))
    expect(page.locator("#chart-ratings svg .whisker")).to_have_count(2)
    expect(page.locator(".matrix tbody td strong")).to_have_count(2)
    assert findings(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert sticks_out(page) <= 0
    page.locator("#add summary").click()
    page.get_by_label("cautious-one").check()
    page.locator("#add-go").click()
    expect(page.locator("#chart-ratings svg .whisker")).to_have_count(3, timeout=PATIENCE)


def test_people_judge_blindly_and_names_come_when_all_is_judged(open_page: OpenPage, station: Served) -> None:
    page = enter(open_page, station, "otto", "/arena/blind")
    expect(page.locator("#state")).to_have_text("being judged")
    expect(page.locator("#table tbody th")).to_have_text(["Policy 1", "Policy 2"])
    page.keyboard.press("j")
    page.wait_for_url("**/review?run=blind")
    arena = Arena(station.home, "blind")
    with Store(station.home / "feedback.db") as store:
        for number in (1, 2):
            page.wait_for_function(PLAYS)
            page.keyboard.press("1")
            _wait(page, lambda: len(store.answers(run="blind")), number)
        assert not any(one.digest[:12] in page.content() for one in arena.policies())
        assert len(store.answers(run="blind")) == 2
    page.goto(f"{station.url}/arena/blind")
    expect(page.locator("#state")).to_have_text("finished")
    expect(page.locator("#table tbody th")).to_have_text([re.compile("-one")] * 2)
    assert findings(page) == []


def test_whoever_shows_the_names_is_told_what_that_means(open_page: OpenPage, station: Served) -> None:
    page = enter(open_page, station, "oda", "/arena/named", dark=True)
    expect(page.locator("#cover")).to_be_visible()
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("what you answer in this arena from now on does not count")
    assert findings(page) == []
    dialog.get_by_text("Show the names", exact=False).last.click()
    expect(page.locator("#table tbody th")).to_have_text([re.compile("-one")] * 2)
    expect(page.locator("#ways")).to_contain_text("You have seen the names: what you answer does not count.")


def _wait(page: Page, count: Callable[[], int], wanted: int) -> None:
    for _ in range(600):
        if count() == wanted:
            return
        page.wait_for_timeout(100)
    assert count() == wanted
