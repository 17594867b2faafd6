"""Driving without keys: a gamepad read through the browser, and touch pads on a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Page, expect

from robo_rlhf.core.types import Episode
from robo_rlhf.data.dataset import Dataset
from tests.browser.conftest import OpenPage, Served
from tests.browser.operating import begin, number, phase, sign_in, toast, wait_number

PAD = """
window.pad = null;
Object.defineProperty(navigator, "getGamepads", {value: () => [null, window.pad]});
window.plugIn = () => {
  const buttons = Array.from({length: 17}, () => ({pressed: false, touched: false, value: 0}));
  window.pad = {id: "Test Pad (STANDARD)", index: 1, connected: true, mapping: "standard", axes: [0, 0, 0, 0], buttons};
};
window.press = (index, on) => (window.pad.buttons[index] = {pressed: on, touched: on, value: Number(on)});
"""
GRIP, HELP, KEEP = 0, 16, 3


def tap(page: Page, button: int) -> None:
    """Press a button of the gamepad for some looks of the page."""
    page.evaluate("(index) => window.press(index, true)", button)
    page.wait_for_timeout(100)
    page.evaluate("(index) => window.press(index, false)", button)


def steps_on(page: Page, count: int) -> None:
    """Wait until the episode has so many steps more."""
    page.wait_for_function(
        "(wanted) => parseInt(document.getElementById('steps').textContent) >= wanted",
        arg=number(page, "steps") + count,
    )


def only(folder: Path) -> Episode:
    dataset = Dataset(folder)
    (name,) = dataset.ids()
    return dataset.load(name)


def test_a_gamepad_drives_grips_and_keeps(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.add_init_script(PAD)
    begin(page, station, dataset="padded")
    page.evaluate("window.plugIn()")
    toast(page, "Gamepad: Test Pad.")
    page.evaluate("window.pad.axes = [0, 0, 0, -1]")  # the right stick ahead: up
    phase(page, "running")
    steps_on(page, 8)
    page.evaluate("window.pad.axes = [0, 0, 0, 0]")
    expect(page.locator("#source")).to_contain_text("holding")
    tap(page, GRIP)
    expect(page.locator("#gripper")).to_have_text("closed")
    tap(page, HELP)
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    tap(page, KEEP)
    toast(page, "Kept")
    episode = only(station.home / "padded")
    assert episode.action[:, 2].max() == pytest.approx(1.0)
    assert episode.action[-1, -1] == 1.0


def test_a_gamepad_that_is_not_at_rest_or_not_known_drives_nothing(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.add_init_script(PAD)
    begin(page, station, dataset="unrested")
    unknown = "Object.assign(window.pad, {id: 'Raw Pad', mapping: '', axes: [0, 0, -1, 0, 0, -1, 0, 0]})"
    page.evaluate(f"window.plugIn(); {unknown}")
    toast(page, "This browser does not know the buttons of Raw Pad")
    page.evaluate("window.plugIn(); window.pad.axes = [0, 0, -1, 0]; window.press(5, true)")
    toast(page, "Gamepad: Test Pad.")
    page.wait_for_timeout(500)
    assert number(page, "steps") == 0
    page.evaluate("window.pad.axes = [0, 0, 0, 0]; window.press(5, false)")
    page.wait_for_timeout(100)
    page.evaluate("window.pad.axes = [0, 0, -1, 0]")
    phase(page, "running")
    steps_on(page, 3)


def test_a_gamepad_that_goes_away_leaves_the_robot_still(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.add_init_script(PAD)
    begin(page, station, dataset="unplugged")
    page.evaluate("window.plugIn()")
    toast(page, "Gamepad: Test Pad.")
    page.evaluate("window.pad.axes = [0, 0, 0, -1]")
    phase(page, "running")
    steps_on(page, 5)
    page.evaluate("window.pad = null")
    toast(page, "The gamepad is gone. The robot holds still")
    expect(page.locator("#source")).to_contain_text("holding")
    page.evaluate("window.plugIn()")
    toast(page, "Gamepad: Test Pad.")
    page.evaluate("window.pad.axes = [0, 0, 0, 1]")
    expect(page.locator("#source")).not_to_contain_text("holding")
    steps_on(page, 3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    up = only(station.home / "unplugged").action[:, 2]
    between = up[up.argmax() : up.argmin()]
    assert up.max() == pytest.approx(1.0)
    assert up.min() == pytest.approx(-1.0)
    assert (between == 0).any()


@contextmanager
def thumbs(cdp: CDPSession, *points: tuple[float, float]) -> Iterator[None]:
    """Lay thumbs on the screen, one after the other, and lift them all at the end."""
    down: list[dict[str, float]] = []
    for index, (x, y) in enumerate(points):
        down.append({"x": x, "y": y, "id": index})
        cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": down})
    try:
        yield
    finally:
        cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def place(page: Page, pad: str, x: float, y: float) -> tuple[float, float]:
    """Return a point of a pad, in shares of its radius from its middle; y downwards."""
    box = page.locator(f"#{pad}").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2 * (1 + x), box["y"] + box["height"] / 2 * (1 + y)


def test_thumbs_drive_on_a_phone(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana", width=390, height=844, has_touch=True, is_mobile=True)
    begin(page, station, dataset="thumbs")
    expect(page.locator("#pads")).to_be_visible()
    cdp = page.context.new_cdp_session(page)
    ahead, up = place(page, "pad-move", 0, -0.9), place(page, "pad-lift", 0, -0.9)
    with thumbs(cdp, ahead, up):
        phase(page, "running")
        steps_on(page, 8)
    expect(page.locator("#source")).to_contain_text("holding")
    page.tap("#pad-gripper")
    expect(page.locator("#gripper")).to_have_text("closed")
    page.tap("[data-act=keep]")
    toast(page, "Kept")
    wait_number(page, "kept", 1)
    action = only(station.home / "thumbs").action
    assert abs(action[:, :2]).max() > 0.5
    assert action[:, 2].max() > 0.5
    assert ((abs(action[:, :2]).max(axis=1) > 0.5) & (action[:, 2] > 0.5)).any()  # both thumbs at once
    assert not action[-1, :3].any()  # let go
    assert action[-1, -1] == 1.0


def test_two_fingers_turn_the_view_and_move_nothing(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana", width=390, height=844, has_touch=True, is_mobile=True)
    begin(page, station, dataset="pinched")
    box = page.locator("#view-0 canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 4
    cdp = page.context.new_cdp_session(page)
    with thumbs(cdp, (x - 20, y), (x + 20, y)):
        for far in (30, 40, 50):
            points = [{"x": x - far, "y": y, "id": 0}, {"x": x + far, "y": y, "id": 1}]
            cdp.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    expect(page.locator("#reset-view")).to_be_visible()
    assert number(page, "steps") == 0
