"""Episodes of outside environments in Chromium: every camera in the library, and a policy that is asked at a frame."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in
from tests.teleop.policy_probe.outside import PLAIN, outside_home

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("outside") / "home"
    outside_home(home, "HalfCheetah-v5@20")
    with serving(home) as served:
        yield served


def test_the_library_shows_it_from_every_camera(open_page: OpenPage, station: Served, tmp_path: Path) -> None:
    page = sign_in(open_page, station, "olga", "operator", width=1280)
    page.goto(f"{station.url}/library/episode/outside/e")
    page.wait_for_selector('select[aria-label="Camera"] option[value="track"]', state="attached", timeout=60_000)
    page.wait_for_selector(".stage video, .stage img", timeout=60_000)
    page.select_option('select[aria-label="Camera"]', "track")
    page.wait_for_function(
        "() => !document.querySelector('.stage-note') || document.querySelector('.stage-note').hidden"
    )
    assert page.locator(".stage-trouble").is_hidden()
    assert page.locator("text=Ask a policy here").count() == 1
    assert page.locator("text=Take over from here").count() == 0, "driving it is not possible yet"
    assert not findings(page)
    page.screenshot(path=tmp_path / "library.png")


def test_a_policy_is_asked_at_a_frame(open_page: OpenPage, station: Served, tmp_path: Path) -> None:
    page = sign_in(open_page, station, "olga", "operator", width=1280)
    page.goto(f"{station.url}/ask?task=HalfCheetah-v5@20&dataset=outside&episode=e&frame=3&policy={PLAIN}")
    page.wait_for_selector("#stage[data-frame]", timeout=90_000)
    assert page.locator("#bars .bar").count() == 6
    assert "bthigh" in page.inner_text("#bars")
    assert page.is_hidden("#correct")
    page.select_option("#seconds", "1")
    page.keyboard.press("i")
    page.wait_for_selector("#duo[data-ms]", timeout=60_000)
    assert not findings(page)
    assert sticks_out(page) <= 0
    page.screenshot(path=tmp_path / "ask.png")
