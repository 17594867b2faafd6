"""A page that goes silent without closing: a suspended laptop, a station that stops responding."""

import os
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.data.dataset import Dataset
from tests.browser.conftest import OpenPage, Served
from tests.browser.operating import begin, drive, holding, number, phase, sign_in, toast


def freeze(page: Page, seconds: float) -> None:
    """Stop what runs the page, and with it its scripts and clocks, for a while; its connection stays open."""
    browser = page.context.browser
    assert browser is not None
    cdp = browser.new_browser_cdp_session()
    processes = cdp.send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [process["id"] for process in processes if process["type"] == "renderer"]
    assert renderers
    for renderer in renderers:
        os.kill(renderer, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for renderer in renderers:
            os.kill(renderer, signal.SIGCONT)
    cdp.detach()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [7.0, 40.0])
def test_a_laptop_that_slept_goes_on_where_it_was(open_page: OpenPage, station: Served, seconds: float) -> None:
    dataset = f"slept-{time.time_ns()}"
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset=dataset)
    with holding(page, "KeyR"):  # the lid is closed with a key down
        phase(page, "running")
        time.sleep(0.5)
        before = number(page, "steps")
        freeze(page, seconds)
        toast(page, "The robot held still, and the episode is open: move to go on.")
        phase(page, "paused")
    assert number(page, "steps") - before < 20 * 6  # it held for some seconds, then it paused
    expect(page.locator("#banner")).to_be_hidden()
    drive(page, "KeyF", 0.4)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    (info,) = Dataset(station.home / dataset).list()
    up = Dataset(station.home / dataset).load(info.meta.id).action[:, 2]
    assert (up == 0).sum() > 20  # held, though the key was never let go


@pytest.mark.slow
def test_a_station_that_says_nothing_any_more_counts_as_lost(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="silent")
    drive(page, "KeyR", 0.4)
    os.kill(station.process.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#banner")).to_contain_text("Connection lost. The robot holds still", timeout=30_000)
    finally:
        os.kill(station.process.pid, signal.SIGCONT)
    expect(page.locator("#banner")).to_be_hidden()
    drive(page, "KeyF", 0.3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    assert len(Dataset(station.home / "silent")) == 1
