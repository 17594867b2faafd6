"""The library in Chromium: by mouse and by keyboard alone, with every state that it can be in."""

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.vision.drawing import Drawer
from robo_rlhf.vision.sight import Sight
from tests.browser.conftest import OpenPage, Served, serving

LONG = "a-very-long-episode-name-that-somebody-gave-it-" + "because-names-may-be-long-" * 2 + "end"


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A station over the samples and a dataset with all that can be in one."""
    home = tmp_path_factory.mktemp("library") / "home"
    shutil.copytree(sample_home, home)
    shutil.copytree(home / "samples" / "pick_place", home / "demos")
    demos = Dataset(home / "demos")
    second, third, fourth = demos.ids()[1:4]
    demos.set_outcome(second, "failure")
    demos.note(second, "Dropped it.")
    demos.tag(third, *(f"tag {i}" for i in range(9)), "a tag with quite a long text in it that goes on and on")
    whole = demos.load(fourth)
    source = whole.source.copy()
    source[:20], source[20:40] = 1, 3
    meta = replace(whole.meta, id=LONG, operator="Ada Lovelace, whose name is long", device="browser")
    demos.add(replace(whole, source=source, meta=meta))
    blind = replace(whole, state=np.zeros((len(whole) + 1, 0)), meta=replace(whole.meta, id="blind"))
    demos.add(blind)
    with serving(home) as served:
        yield served


@pytest.fixture
def demos(station: Served) -> Dataset:
    return Dataset(station.home / "demos")


def recorded(demos: Dataset, number: int) -> str:
    """Return the id of one of those with pictures and a name of usual length."""
    return [name for name in sorted(demos.ids()) if name not in ("blind", LONG)][number]


def add_copy(demos: Dataset, name: str) -> None:
    """Add an episode that a test may spoil."""
    whole = demos.load(recorded(demos, 0))
    demos.add(replace(whole, meta=replace(whole.meta, id=name)))


def visit(open_page: OpenPage, station: Served, path: str, **options: object) -> Page:
    """Open a page of the station, signed in as administrator."""
    return open_page(station.url + path, link=station.new_link(), **options)


def cards(page: Page) -> int:
    return page.locator(".episode a.open").count()


def check_axe(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]})
    serious = [
        f"{v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in found.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert not serious, serious


def test_the_grid_is_filtered_and_the_address_tells(open_page: OpenPage, station: Served) -> None:
    page = visit(open_page, station, "/library")
    expect(page.locator("#count")).to_have_text(re.compile(r"^\d+ episodes$"))
    everything = cards(page)
    page.get_by_role("checkbox", name="failure").check()
    expect(page.locator("#count")).to_have_text(re.compile("^1 episode of"))
    assert page.url.endswith("/library?outcome=failure")
    expect(page.locator(".episode")).to_have_count(1)
    page.go_back()
    expect(page.locator(".episode")).to_have_count(everything)
    expect(page.get_by_role("checkbox", name="failure")).not_to_be_checked()
    page.go_forward()
    page.reload()
    expect(page.locator(".episode")).to_have_count(1)
    page.get_by_role("button", name="Take away the filter Outcome: failure").click()
    page.get_by_label("Search episodes").fill("nothing is called so")
    expect(page.get_by_role("heading", name="No episode fits")).to_be_visible()
    check_axe(page)
    page.get_by_role("button", name="Take all filters away").click()
    expect(page.locator(".episode")).to_have_count(everything)


def test_a_thumbnail_plays_under_the_pointer(open_page: OpenPage, station: Served) -> None:
    page = visit(open_page, station, "/library?dataset=demos&sort=name")
    card = page.locator(".episode").first
    expect(card.locator("img")).to_have_js_property("complete", True)
    card.hover()
    expect(card).to_have_class(re.compile("plays"), timeout=60_000)
    assert page.evaluate("document.querySelector('.plays video').duration") < 4
    page.mouse.move(2, 2)
    expect(card.locator("video")).to_have_count(0)


def test_everything_by_keyboard(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    page = visit(open_page, station, "/library?dataset=demos&sort=name")
    names = [recorded(demos, 0), recorded(demos, 1)]
    # while the index is still being read, cards come in between and are drawn anew
    expect(page.locator("#count")).to_have_text(re.compile(r"^\d+ episodes? of \d+$"))
    expect(page.locator(".episode a.open")).to_have_count(len(demos))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # the first press goes to the grid; the names with letters come first
    opened = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Space")
    expect(page.locator(".episode.plays")).to_have_count(1, timeout=60_000)
    page.keyboard.press("s")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 selected")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".player-head h2")).to_contain_text(opened.rpartition(", ")[2])
    expect(page.locator(".player-head h2")).to_contain_text("pick_place, ")
    assert names[0] in page.url
    clock = page.locator(".clock")
    expect(clock).to_contain_text("frame 0 of")
    for key, frame in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("Shift+ArrowRight", 21),
        ("Shift+ArrowLeft", 1),
    ):
        page.keyboard.press(key)
        expect(clock).to_contain_text(f"frame {frame} of")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    expect(page.locator(".stage-note")).to_be_hidden(timeout=60_000)
    page.keyboard.press("-")
    page.keyboard.press("-")  # a quarter as fast, so that it is not over before it is looked at
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(clock).not_to_contain_text("frame 0 of")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".player-head h2")).to_contain_text(names[1])
    page.keyboard.press("ArrowUp")
    expect(page.locator(".player-head h2")).to_contain_text(names[0])
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("One frame on")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#player")).to_be_hidden()
    page.wait_for_function("name => document.activeElement.getAttribute('aria-label')?.endsWith(name)", arg=names[0])


PAINTED = """async (frame) => {
  const video = document.querySelector('.stage video');
  const place = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext('2d', {willReadFrequently: true});
  const pixels = (what) => {
    place.drawImage(what, 0, 0);
    return place.getImageData(0, 0, video.videoWidth, video.videoHeight).data;
  };
  const shown = pixels(video).slice();
  const query = new URL(document.querySelector('.stage img').src).searchParams;
  const far = [];
  for (const other of [frame - 1, frame, frame + 1]) {
    query.set('frame', other);
    const still = new Image();
    still.src = '/media/frame?' + query;
    await still.decode();
    const pixel = pixels(still);
    far.push(shown.reduce((sum, value, i) => sum + Math.abs(value - pixel[i]), 0));
  }
  return far;
}"""


def test_the_frame_that_is_counted_is_the_frame_that_is_shown(
    open_page: OpenPage, station: Served, demos: Dataset
) -> None:
    page = visit(open_page, station, f"/library/episode/demos/{recorded(demos, 1)}?frame=30&camera=side")
    expect(page.locator(".stage img")).to_be_hidden(timeout=60_000)
    expect(page.locator(".clock")).to_contain_text("frame 30 of")
    for frame in (30, 12, 45, 13):
        page.locator(".scrub").evaluate(
            "(range, f) => { range.value = f; range.dispatchEvent(new Event('input')); }", frame
        )
        expect(page.locator(".clock")).to_contain_text(f"frame {frame} of")
        expect(page.locator(".stage-note")).to_be_hidden(timeout=10_000)
        before, here, after = page.evaluate(PAINTED, frame)
        assert here < min(before, after), (frame, before, here, after)
    page.wait_for_url("**frame=13*")
    page.reload()
    expect(page.locator(".clock")).to_contain_text("frame 13 of")
    expect(page.get_by_role("combobox", name="Camera")).to_have_value("side")


def test_the_picture_turns_by_dragging(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    page = visit(open_page, station, f"/library/episode/demos/{recorded(demos, 1)}")
    expect(page.get_by_role("combobox", name="Camera").locator("option")).to_have_count(5, timeout=60_000)
    box = page.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(box["x"] + 200 + 20 * step, box["y"] + 200)
    page.mouse.up()
    expect(page.get_by_role("combobox", name="Camera")).to_have_value("free")
    page.wait_for_url("**camera=*")
    expect(page.locator(".stage img")).to_be_hidden(timeout=60_000)
    expect(page.locator(".stage-trouble")).to_be_hidden()


def test_an_episode_is_named_cut_deleted_and_brought_back(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    name = recorded(demos, 2)
    page = visit(open_page, station, f"/library/episode/demos/{name}?dataset=demos")
    page.get_by_role("button", name="Failure").click()
    expect(page.get_by_role("button", name="Failure")).to_have_attribute("aria-pressed", "true")
    assert demos.info(name).meta.outcome == "failure"
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Success")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("g")
    page.get_by_label("Tags, with commas between them").fill("clean, quick")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take away the tag clean")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("Nicely done")
    page.keyboard.press("Escape")
    expect(page.get_by_text("saved")).to_be_visible()
    assert (demos.info(name).meta.note, demos.info(name).meta.tags[-2:]) == ("Nicely done", ("clean", "quick"))
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("[")
    page.get_by_role("slider", name="Keep up to frame").press("PageDown")
    expect(page.locator(".cut-bar")).to_contain_text("Keep 0.25 s to")
    page.get_by_role("button", name="Trim", exact=True).click()
    expect(page.locator(".player-head h2")).to_have_text(re.compile(rf"{name}\.5-\d+"))
    assert name not in demos
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".player-head h2")).to_have_text(re.compile(f" {name}$"))
    assert name in demos
    page.keyboard.press("Delete")
    expect(page.get_by_text("Moved the episode to the trash.")).to_be_visible()
    assert name not in demos
    page.keyboard.press("z")
    expect(page.locator(".player-head h2")).to_have_text(re.compile(f" {name}$"))
    assert demos.info(name).meta.note == "Nicely done"


def test_several_are_tagged_deleted_and_restored_from_the_trash(
    open_page: OpenPage, station: Served, demos: Dataset
) -> None:
    page = visit(open_page, station, "/library?dataset=demos&sort=name")
    boxes = page.locator(".episode .pick input")
    boxes.nth(1).check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "demos-3.zip"
    count = len(demos)
    page.keyboard.press("Delete")
    expect(page.get_by_text("Moved 3 episodes to the trash.")).to_be_visible()
    assert len(demos) == count - 3
    page.goto(f"{station.url}/library/trash")
    expect(page.locator("#trash li")).to_have_count(len(demos.trash()))
    check_axe(page)
    page.locator("#trash").get_by_role("button", name=re.compile("^Restore")).first.click()
    expect(page.get_by_text("Restored 1 episode.")).to_be_visible()
    page.locator("#trash-all").check()
    page.get_by_role("button", name="Restore", exact=True).first.click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    assert len(demos) >= count


@pytest.mark.slow
def test_the_trash_is_emptied_only_after_a_question(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    add_copy(demos, "doomed")
    demos.delete("doomed")
    page = visit(open_page, station, "/library/trash")
    page.get_by_role("button", name="Empty the trash").click()
    page.get_by_role("button", name="Cancel").click()
    assert "doomed" in demos.trash()
    page.get_by_role("button", name="Empty the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    assert demos.trash() == ()


def test_what_another_person_deleted_meanwhile_is_told(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    add_copy(demos, "shared")
    page = visit(open_page, station, "/library/episode/demos/shared")
    expect(page.locator(".clock")).to_contain_text("frame 0")
    demos.delete("shared")
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("Another user may have deleted it meanwhile")
    expect(page.get_by_role("heading", name="This episode is not here")).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name="Look in the trash").click()
    expect(page.get_by_text("shared")).to_be_visible()


@pytest.mark.slow
def test_an_episode_without_pictures_says_why(open_page: OpenPage, station: Served) -> None:
    page = visit(open_page, station, "/library/episode/demos/blind")
    expect(page.locator(".stage-trouble")).to_contain_text("It holds no simulator states.")
    expect(page.locator(".stage img")).to_be_visible()  # curves of what it holds
    expect(page.get_by_role("link", name="Continue from here")).to_have_count(0)


def test_links_lead_to_the_frame(open_page: OpenPage, station: Served, demos: Dataset) -> None:
    name = recorded(demos, 1)
    page = visit(open_page, station, f"/library/episode/demos/{name}?frame=17")
    link = page.get_by_role("link", name=re.compile("Continue from here"))
    expect(link).to_have_attribute("href", re.compile(f"source=demos&episode={name}&frame=17&mode=continue"))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name=re.compile("Take over"))).to_have_attribute(
        "href", re.compile("frame=18&mode=takeover")
    )


def test_statistics_are_drawn(open_page: OpenPage, station: Served) -> None:
    page = visit(open_page, station, "/library/statistics?dataset=demos")
    expect(page.locator("#chart-outcomes svg").first).to_be_visible()
    expect(page.locator("#chart-starts-pick_place circle").first).to_be_visible(timeout=60_000)
    expect(page.locator("#chart-idle .whisker").first).to_be_attached()
    check_axe(page)


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        (1280, False),
        pytest.param(1280, True, marks=pytest.mark.slow),
        pytest.param(390, False, marks=pytest.mark.slow),
        (390, True),
    ],
)
def test_the_pages_are_accessible_and_fit(
    open_page: OpenPage, station: Served, demos: Dataset, width: int, dark: bool
) -> None:
    page = visit(open_page, station, "/library?dataset=demos", dark=dark, width=width)
    expect(page.locator(".episode a.open").first).to_be_visible()
    page.locator(".episode .pick input").first.check()
    check_axe(page)
    for path in ("", f"/episode/demos/{LONG}", "/trash", "/statistics"):
        page.goto(f"{station.url}/library{path}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.goto(f"{station.url}/library/episode/demos/{LONG}?frame=25")
    expect(page.locator(".clock")).to_contain_text("frame 25")
    expect(page.locator(".legend")).to_contain_text("correction")
    check_axe(page)


@pytest.mark.slow  # it starts another station
def test_nothing_recorded_yet_says_what_to_do(open_page: OpenPage, tmp_path: Path) -> None:
    with serving(tmp_path / "fresh") as served:
        page = visit(open_page, served, "/library?dataset=none-of-them")
        expect(page.get_by_role("heading", name=re.compile("No episode fits|Nothing is recorded yet"))).to_be_visible()
        page.goto(f"{served.url}/library/trash")
        expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()


def test_a_day_is_a_day_of_the_users_clock_also_across_summer_time(browser: Browser, station: Served) -> None:
    """In Berlin a day of July begins two hours before UTC's, a day of January one hour: whatever today's date is."""
    with closing(browser.new_context(timezone_id="Europe/Berlin")) as context:
        page = context.new_page()
        page.goto(f"{station.url}/sign-in")
        code = """async (query) => {
          const { withInstants } = await import("/static/x/library/days.js");
          return String(withInstants(new URLSearchParams(query)));
        }"""
        found = [page.evaluate(code, f"task=reach&since={day}&until={day}") for day in ("2026-07-10", "2026-01-10")]
    assert found == [
        "task=reach&since=2026-07-09T22%3A00%3A00.000Z&until=2026-07-10T22%3A00%3A00.000Z",
        "task=reach&since=2026-01-09T23%3A00%3A00.000Z&until=2026-01-10T23%3A00%3A00.000Z",
    ]


def test_the_policys_view_stands_beside_the_picture_pixel_for_pixel(
    open_page: OpenPage, station: Served, demos: Dataset
) -> None:
    sight, whole = Sight(("wrist", "front"), 32), demos.load(recorded(demos, 0))
    versions = {**whole.meta.versions, **sight.provenance()}
    demos.add(replace(whole, meta=replace(whole.meta, id="seen", versions=versions)))
    page = visit(open_page, station, "/library?dataset=demos&q=seen")
    page.locator(".episode .open").first.click()
    page.wait_for_selector(".insets[data-frame='0']", timeout=60_000)
    for _ in range(25):  # into the second sheet
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".insets[data-frame='25']", timeout=60_000)
    assert page.locator(".inset span").all_inner_texts() == ["wrist", "front"]
    drawer = Drawer("pick_place", sight)
    pictures = drawer.draw(whole.state[25:26])
    drawer.close()
    for place, camera in enumerate(sight.cameras):
        code = page.locator(".inset canvas").nth(place).evaluate("canvas => canvas.toDataURL('image/png')")
        content = np.frombuffer(base64.b64decode(code.partition(",")[2]), np.uint8)
        assert np.array_equal(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1], pictures[camera][0])
        width = page.locator(".inset canvas").nth(place).evaluate("canvas => canvas.clientWidth")
        assert width % sight.size == 0
    page.keyboard.press("w")
    expect(page.locator(".insets")).to_be_hidden()
    page.reload()
    page.wait_for_selector("button:has-text(\"Policy's view\")[aria-pressed='false']", timeout=60_000)
    page.keyboard.press("w")
    expect(page.locator(".insets")).to_be_visible()
    demos.delete("seen")
