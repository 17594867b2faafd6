"""Episodes of outside environments in Chromium: every camera in the library, and a policy that is asked at a frame."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.external.vec_env import ExternalVecEnv
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import begin, drive, holding, phase, sign_in, toast
from tests.teleop.policy_probe.outside import PLAIN, outside_home

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("outside") / "home"
    outside_home(home, "HalfCheetah-v5@20")
    with serving(home, "--env", "Reacher-v5") as served:
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
    assert page.locator("text=Take over from here").count() == 1
    assert not findings(page)
    page.screenshot(path=tmp_path / "library.png")


def test_a_policy_is_asked_at_a_frame(open_page: OpenPage, station: Served, tmp_path: Path) -> None:
    page = sign_in(open_page, station, "olga", "operator", width=1280)
    page.goto(f"{station.url}/ask?task=HalfCheetah-v5@20&dataset=outside&episode=e&frame=3&policy={PLAIN}")
    page.wait_for_selector("#stage[data-frame]", timeout=90_000)
    assert page.locator("#bars .bar").count() == 6
    assert "bthigh" in page.inner_text("#bars")
    assert page.is_visible("#correct")
    page.select_option("#seconds", "1")
    page.keyboard.press("i")
    page.wait_for_selector("#duo[data-ms]", timeout=60_000)
    assert not findings(page)
    assert sticks_out(page) <= 0
    page.screenshot(path=tmp_path / "ask.png")


def test_it_is_driven_by_keys_rewound_and_kept(open_page: OpenPage, station: Served, tmp_path: Path) -> None:
    page = sign_in(open_page, station, "olga", "operator", width=1280)
    begin(page, station, "Reacher-v5", "driven")
    drive(page, "KeyW", 0.6)
    page.click("#controls-menu summary")
    bars = page.locator("#controls-menu .control")
    assert bars.count() == 2
    assert "joint0" in bars.first.inner_text()
    with holding(page, "KeyA"):
        page.wait_for_function("() => parseFloat(document.querySelectorAll('.bar-value')[1].style.width) > 10")
    page.get_by_label("joint0: the other direction").click()
    toast(page, "Remembered for this environment.")
    assert not findings(page)
    page.screenshot(path=tmp_path / "drive.png")
    page.click("#seed")
    page.keyboard.press("Escape")
    page.keyboard.press("Backspace")
    phase(page, "paused")
    drive(page, "KeyW", 0.4)
    page.keyboard.press("k")
    toast(page, "Kept")
    kept = [Dataset(station.home / "driven").load(one) for one in Dataset(station.home / "driven").ids()]
    branch = next(episode for episode in kept if episode.meta.parent)
    assert branch.action[0, 0] > 0
    assert branch.action[:, 0].min() < 0, "the direction was changed"
    with closing(ExternalVecEnv("Reacher-v5", 1, horizon=10_000)) as env:
        obs = env.reset(np.array([branch.meta.seed]))
        for t, action in enumerate(branch.action):
            assert obs[0].tobytes() == branch.obs[t].tobytes()
            obs = env.step(action[None]).obs
