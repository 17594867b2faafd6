"""Review of recorded videos in Chromium: several cameras a side, clips that are not alike, long ones."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.operating import sign_in
from tests.recorded_home import Side, recorded_home

LONG = 900.0  # [s]
SHORT, LONGER = Side(), Side(("front", "wrist"), 4.5, 10.0, (96, 40))  # other length, rate, size and cameras
TIMES = "() => [...document.querySelectorAll('.clips.now video')].map((video) => video.currentTime)"
PLAYS = f"() => {{ const times = ({TIMES})(); return times.length && times.every((time) => time > 0.05); }}"
STILL = "() => [...document.querySelectorAll('.clips.now video')].every((video) => video.paused && !video.seeking)"
SCRUB = """
(to) => {
  const scrub = document.getElementById("scrub");
  scrub.value = to < 1 ? Math.round(to * scrub.max) : to;
  scrub.dispatchEvent(new Event("input"));
}
"""
APART = """
async (seconds) => {
  const parts = [...document.querySelectorAll(".clips.now video")];
  const until = performance.now() + 1000 * seconds;
  let apart = 0;
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const times = parts.map((video) => video.currentTime);
    apart = Math.max(apart, Math.max(...times) - Math.min(...times));
  }
  return apart;
}
"""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("recorded")
    long = Side(("front",), LONG, 10.0, (32, 24))
    home = recorded_home(folder / "home", [(SHORT, SHORT), (SHORT, LONGER), (long, long)], folder / "videos")
    with serving(home) as served:
        yield served


Opened = Callable[[int], Page]


@pytest.fixture
def opened(station: Served, open_page: OpenPage) -> Opened:
    """Return a function that opens the question of a pair, whatever its place in the order."""

    def open_question(pair: int) -> Page:
        page = sign_in(open_page, station, f"viewer{pair}", "annotator")
        page.goto(f"{station.url}/review?run=cups")
        for _ in range(3):
            page.wait_for_function(PLAYS)
            sides = page.locator(".clips.now .clip-of")
            lengths = {
                round(
                    page.evaluate("(video) => video.duration", sides.nth(i).locator("video").first.element_handle()), 1
                )
                for i in (0, 1)
            }
            if lengths == ({3.0}, {3.0, 4.5}, {LONG})[pair]:
                return page
            before = page.locator("#workspace").get_attribute("data-question") or ""
            page.keyboard.press("0")
            expect(page.locator("#workspace")).not_to_have_attribute("data-question", before)
        raise AssertionError(f"no question of pair {pair}")

    return open_question


def test_all_cameras_of_both_sides_play_in_lock_step_and_one_can_be_looked_from(opened: Opened) -> None:
    page = opened(0)
    videos = page.locator(".clips.now video")
    expect(videos).to_have_count(6)
    assert page.locator("#camera option").all_inner_texts() == ["all", "front", "side", "wrist"]
    expect(page.locator("#pace-field")).to_be_hidden()  # both are as long: there is nothing to choose
    assert page.evaluate(APART, 1.0) * 20 <= 1
    page.keyboard.press("v")
    expect(videos).to_have_count(2)
    assert {name for name in page.locator(".clips.now .view-name").all_inner_texts()} == {"front"}
    page.wait_for_function(PLAYS)
    page.reload()
    page.wait_for_function(PLAYS)
    expect(videos).to_have_count(2)  # what was chosen is remembered
    page.select_option("#camera", "*")
    expect(videos).to_have_count(6)
    page.wait_for_function(PLAYS)
    assert page.evaluate(APART, 0.5) * 20 <= 1


def test_clips_of_different_length_go_by_time_by_share_or_each_by_itself(opened: Opened) -> None:
    page = opened(1)
    expect(page.locator(".clips.now video")).to_have_count(5)
    expect(page.locator("#pace-by")).to_have_value("time")
    page.keyboard.press("Space")
    page.evaluate(SCRUB, 40)
    page.wait_for_function(STILL)
    times = page.evaluate(TIMES)
    assert max(times) - min(times) < 0.06  # the same second of all, 40 frames of 20 a second in
    assert min(times) == pytest.approx(2.0, abs=0.06)
    page.keyboard.press("y")
    expect(page.locator("#pace-by")).to_have_value("share")
    page.evaluate(SCRUB, 0.5)
    page.wait_for_function(STILL)
    shares = page.evaluate(
        "() => [...document.querySelectorAll('.clips.now video')].map((video) => video.currentTime / video.duration)"
    )
    assert shares == pytest.approx([0.5] * 5, abs=0.04)
    page.keyboard.press("y")
    expect(page.locator("#pace-by")).to_have_value("each")
    expect(page.locator(".clips.now .steered")).to_have_count(1)
    first = page.locator("#pace-clip").inner_text()
    page.keyboard.press("j")
    expect(page.locator("#pace-clip")).not_to_have_text(first)
    page.keyboard.press("Home")  # plays the chosen one from its start
    page.wait_for_function(PLAYS)
    page.keyboard.press("y")
    expect(page.locator("#pace-by")).to_have_value("time")
    expect(page.locator(".clips.now .steered")).to_have_count(0)


def test_a_quarter_of_an_hour_is_sought_without_being_fetched(opened: Opened) -> None:
    page = opened(2)
    sizes: list[int] = []

    def note(response: Response) -> None:
        if "/review/video/" in response.url and response.request.method == "GET":
            sizes.append(int(response.headers.get("content-length", "0")))

    page.on("response", note)
    page.keyboard.press("Space")
    for place in (8000, 100, 5000):
        page.evaluate(SCRUB, place)
        page.wait_for_function(STILL)
        assert page.evaluate(TIMES) == pytest.approx([(place + 0.5) / 10] * 2, abs=0.06)
    assert max(sizes, default=0) <= 2 * 2**20


BAR = """() => {
  const video = document.querySelector(".stage video");
  const place = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  place.drawImage(video, 0, 0);
  const row = [...place.getImageData(0, 24, video.videoWidth, 1).data].filter((_, i) => i % 4 === 0);
  return row.indexOf(Math.max(...row));
}"""


def test_the_library_plays_the_files_too_frame_by_frame(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "librarian", "annotator")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{station.url}/library?dataset=cups&sort=name")
    page.locator(".episode a.open").first.click()
    clock, scrub = page.locator(".clock"), page.locator(".scrub")
    expect(clock).to_contain_text("frame 0 of 59")
    for frame in (30, 12, 45):
        scrub.evaluate("(range, f) => { range.value = f; range.dispatchEvent(new Event('input')); }", frame)
        expect(clock).to_contain_text(f"frame {frame} of 59")
        expect(page.locator(".stage-note")).to_be_hidden()
        assert abs(page.evaluate(BAR) - frame / 60 * 64) <= 1.1
    page.keyboard.press("Space")
    expect(clock).to_contain_text("frame 59 of 59")  # played to its end, and stands there
    expect(page.locator(".stage-note")).to_be_hidden()
    assert any("/media/recording" in address for address in asked)
    assert not [address for address in asked if "/media/part" in address or "/media/frame" in address]
