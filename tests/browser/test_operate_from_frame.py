"""Ways into the operate page: from a frame of a recorded episode, from the form, and from the command line."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from robo_rlhf.core.files import HOME_VARIABLE
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from teleop.session.branch import CORRECTION
from tests.browser.conftest import PATIENCE, ROOT, OpenPage, Served
from tests.browser.operating import drive, phase, sign_in, toast, wait_for_picture, wait_number

FRAME = 17


def enter(page: Page, station: Served, link: str) -> str:
    """Go to a frame of a sample in the library and follow a link there; return the sample's id."""
    sample = Dataset(station.home / "samples" / "reach").ids()[1]
    page.goto(f"{station.url}/library/episode/samples/reach/{sample}?frame={FRAME}")
    expect(page.locator(".clock")).to_contain_text(f"frame {FRAME} of")
    page.get_by_role("link", name=re.compile(link)).click()
    page.wait_for_url(re.compile("/operate/[0-9a-f]+$"))
    wait_for_picture(page)
    phase(page, "paused")
    wait_number(page, "steps", FRAME)
    return sample


def newest(station: Served) -> str:
    return Dataset(station.home / "reach").ids()[-1]


def test_continue_from_here_stands_at_that_frame(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    sample = enter(page, station, "Continue from here")
    assert page.input_value("#timeline") == str(FRAME)
    expect(page.locator("#overlay-text")).to_contain_text("Looking back")
    expect(page.locator("#source")).to_have_text("scripted")
    expect(page.locator("#episode")).to_contain_text("branched")
    drive(page, "KeyF", 0.4)
    expect(page.locator("#source")).to_contain_text("you")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    dataset = Dataset(station.home / "reach")
    episode = dataset.load(newest(station))
    assert (episode.meta.parent, episode.meta.parent_step) == (sample, FRAME)
    assert (episode.source[:FRAME] == Source.SCRIPTED).all()
    assert (episode.source[FRAME:] == Source.HUMAN).all()
    parent = Dataset(station.home / "samples" / "reach").load(sample)
    assert (episode.state[: FRAME + 1] == parent.state[: FRAME + 1]).all()


def test_take_over_from_here_makes_a_correction(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ben")
    sample = enter(page, station, "Take over from here")
    drive(page, "KeyF", 0.4)
    expect(page.locator("#source")).to_contain_text("you, correcting")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    episode = Dataset(station.home / "reach").load(newest(station))
    assert (episode.meta.parent, episode.meta.parent_step) == (sample, FRAME)
    assert (episode.source[FRAME:] == Source.CORRECTION).all()
    assert CORRECTION in episode.meta.tags


def test_the_cameras_that_are_chosen_are_shown_and_remembered(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.goto(f"{station.url}/operate")
    page.get_by_label("Task").select_option("reach")
    page.get_by_text("Cameras, seed, policy, pace").click()
    large, small, below = (
        page.get_by_label(name, exact=True) for name in ("Large view", "Small view", "Second small view")
    )
    expect(large).to_have_value("front")
    large.select_option("side")
    expect(small).to_have_value("front")  # a camera is shown once: the two changed places
    below.select_option("")
    page.get_by_label("Dataset to record into").fill("seen")
    page.click("#go")
    page.wait_for_url(re.compile("/operate/[0-9a-f]+$"))
    wait_for_picture(page)
    names = page.locator("figure.view:visible .name")
    expect(names).to_have_text(["side", "front"])
    page.goto(f"{station.url}/operate")
    page.get_by_label("Task").select_option("reach")
    page.get_by_text("Cameras, seed, policy, pace").click()
    expect(large).to_have_value("side")
    expect(below).to_have_value("")


def test_record_opens_the_page_that_drives(open_page: OpenPage, tmp_path: Path) -> None:
    """In a terminal, with a browser that writes down what it is to open, and stays open as browsers do."""
    opened, home, closed = tmp_path / "opened", tmp_path / "home", tmp_path / "closed"
    script = tmp_path / "browser"
    note_down = f'echo "$1" > {opened}.part && mv {opened}.part {opened}'
    script.write_text(f"#!/bin/sh\n{note_down}\nwhile [ ! -e {closed} ]; do sleep 0.1; done\n")
    script.chmod(0o755)
    environment = {**os.environ, HOME_VARIABLE: str(home), "BROWSER": str(script), "DISPLAY": ":0"}
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "record", "--task", "reach", "--seed", "7"]
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, start_new_session=True)
    os.close(theirs)
    try:
        until = time.monotonic() + PATIENCE
        while not opened.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        page = open_page(opened.read_text().strip())
        page.wait_for_url(re.compile("/operate/[0-9a-f]+$"))
        wait_for_picture(page)
        assert (page.inner_text("#task"), page.inner_text("#seed")) == ("reach", "7")
        drive(page, "KeyR", 0.3)
        page.keyboard.press("KeyK")
        toast(page, "Kept")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        (info,) = Dataset(home / "reach").list()
        assert (info.meta.device, info.meta.seed) == ("browser", 7)
    finally:
        closed.touch()
        process.kill()
        process.wait()
        os.close(terminal)
