"""Moving a goal before the episode begins: by a click into the picture, and a step at a time."""

import math

import numpy as np
import pytest
from playwright.sync_api import expect

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.sim.envs.task_env import TaskEnv, make_env
from tests.browser.conftest import OpenPage, Served
from tests.browser.operating import begin, drive, sign_in, toast

GREEN = """
() => {
  const canvas = document.querySelector("#view-0 canvas");
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [count, x, y] = [0, 0, 0];
  for (let i = 0; i < width * height; i += 1) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    if (green > red + 80 && green > blue + 30) [count, x, y] = [count + 1, x + (i % width), y + Math.floor(i / width)];
  }
  return [x / count / width, y / count / height];
}
"""


def metres(text: str) -> list[float]:
    return [float(part) / 100 for part in text.removesuffix(" cm").split(", ")]


def test_a_goal_goes_where_one_clicks(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, task="push", dataset="moved", seed=3)
    page.click("#goal-menu summary")
    said = page.locator("#goal-menu output")
    before = said.inner_text()
    into = page.get_by_role("button", name="Place it in the picture")
    into.click()
    expect(into).to_have_attribute("aria-pressed", "true")
    canvas = page.locator("#view-0 canvas")
    box = canvas.bounding_box()
    assert box is not None
    at = (0.42, 0.63)
    page.mouse.click(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
    expect(said).not_to_have_text(before)
    page.wait_for_function(
        f"([x, y]) => {{ const [a, b] = ({GREEN})(); return Math.hypot(a - x, b - y) < 0.02 }}", arg=list(at)
    )  # the disc is drawn where the click was
    assert page.locator("#operate").get_attribute("data-phase") == "ready"  # the hand did not follow the click
    moved = said.inner_text()
    page.get_by_role("button", name="goal: away by 1 cm").click()
    expect(said).not_to_have_text(moved)
    wanted = metres(said.inner_text())
    assert math.dist(wanted, metres(moved)) == pytest.approx(0.01, abs=2e-3)
    page.keyboard.press("Escape")
    drive(page, "KeyR", 0.3)
    assert page.locator("#goal-menu").is_hidden()  # it stays where it is until the next episode
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    dataset = Dataset(station.home / "moved")
    env = make_env("push", 1, nthread=1)
    assert isinstance(env, TaskEnv)
    env.set_state(dataset.load(dataset.list()[0].meta.id).state[:1])
    np.testing.assert_allclose(env.sim.mocap_pos("goal")[0], wanted, atol=1e-3)


def test_the_seed_puts_a_goal_back(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, task="reach", dataset="back", seed=5)
    page.click("#goal-menu summary")
    said = page.locator("#goal-menu output")
    where = said.inner_text()
    page.get_by_role("button", name="goal: higher by 1 cm").click()
    expect(said).not_to_have_text(where)
    page.get_by_role("button", name="As the seed has it").click()
    expect(said).to_have_text(where)
