"""The operate page in Chromium: record, rewind, keep and discard; recovery after a loss; control handover."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from tests.browser.conftest import OpenPage, Served
from tests.browser.operating import (
    begin,
    drive,
    end,
    holding,
    number,
    phase,
    sign_in,
    toast,
    wait_for_picture,
    wait_number,
)


def _episodes(station: Served, dataset: str) -> Dataset:
    return Dataset(station.home / dataset)


def test_a_person_drives_and_keeps_an_episode(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="kept", seed=12)
    assert page.inner_text("#instruction")
    assert page.inner_text("#seed") == "12"
    legend = page.get_by_label("Keys that drive")
    expect(legend.locator("dd").first).to_have_text("WASD")
    expect(legend).not_to_have_class("legend faded")
    drive(page, "KeyR", 3.3)
    expect(legend).to_have_class("legend faded")
    page.keyboard.press("Space")
    page.wait_for_selector('#gripper:text("closed")')
    assert number(page, "steps") > 5
    page.wait_for_function("() => /\\d+ ms/.test(document.getElementById('latency-text').textContent)")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    phase(page, "ready")
    assert page.inner_text("#seed") == "13"
    wait_number(page, "kept", 1)
    expect(legend).to_have_class("legend")  # it comes back when the hand rests
    (info,) = _episodes(station, "kept").list()
    assert (info.meta.operator, info.meta.device, info.meta.seed) == ("ana", "browser", 12)
    episode = _episodes(station, "kept").load(info.meta.id)
    assert (episode.source == Source.HUMAN).all()
    assert episode.action[:, 2].max() == pytest.approx(1.0)  # up, at full speed
    assert episode.action[-1, -1] == 1.0  # the gripper closes


def test_the_shortest_press_is_a_step(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="tapped")
    for _ in range(4):
        page.keyboard.press("KeyR")  # down and up at once
        time.sleep(0.25)
    phase(page, "running")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    (info,) = _episodes(station, "tapped").list()
    up = _episodes(station, "tapped").load(info.meta.id).action[:, 2]
    assert 4 <= (up > 0).sum() <= 8
    assert up.max() < 0.7  # gently


def test_what_was_discarded_or_kept_comes_back_open(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="undone", seed=5)
    drive(page)
    page.keyboard.press("KeyX")
    wait_number(page, "discarded", 1)
    assert page.inner_text("#seed") == "5"
    assert len(_episodes(station, "undone")) == 0
    undo = page.locator("#undo")
    expect(undo).to_contain_text("Undo discard")
    page.keyboard.press("KeyZ")
    toast(page, "is open again")
    wait_number(page, "discarded", 0)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    wait_number(page, "kept", 1)
    expect(page.locator("#counters")).to_contain_text("1 kept: 0 successes, 1 failure")
    assert len(_episodes(station, "undone")) == 1
    expect(undo).to_contain_text("Undo keep")
    undo.click()
    toast(page, "is open again")
    wait_number(page, "kept", 0)
    page.keyboard.press("KeyX")
    wait_number(page, "discarded", 1)


def test_undo_goes_back_step_by_step_in_the_tab_that_drives(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    address = begin(page, station, dataset="stacked", seed=9)
    undo, success = page.locator("#undo"), page.locator("#success")
    drive(page, "KeyR", 0.6)
    page.keyboard.press("KeyX")
    wait_number(page, "discarded", 1)
    drive(page, "KeyR", 1.2)
    page.keyboard.press("Digit1")
    expect(success).to_have_text("success, by you")
    expect(undo).to_contain_text("Undo mark")
    page.keyboard.press("KeyK")
    wait_number(page, "kept", 1)
    page.keyboard.press("KeyZ")
    wait_number(page, "kept", 0)
    assert number(page, "discarded") == 1  # what was discarded before is not brought back
    expect(success).to_have_text("success, by you")
    steps = number(page, "steps")
    page.keyboard.press("Backspace")
    expect(undo).to_contain_text("Undo rewind")
    second = page.context.new_page()
    second.goto(address)
    second.wait_for_selector("#banner:has-text('You drive in another tab.')")
    second.keyboard.press("KeyZ")
    second.locator(".toast.bad").wait_for()
    expect(undo).to_contain_text("Undo rewind")
    page.keyboard.press("KeyZ")
    wait_number(page, "steps", steps)
    page.keyboard.press("KeyZ")
    expect(success).not_to_have_text("success, by you")
    expect(undo).to_contain_text("Undo discard")
    page.keyboard.press("KeyZ")
    toast(page, "an episode is open; keep or discard it first")
    assert len(_episodes(station, "stacked")) == 0
    second.close()


def test_enter_does_what_the_button_says(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.goto(f"{station.url}/operate")
    page.wait_for_selector("#task:focus")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operate/*", timeout=60_000)
    address = page.url
    page.goto(f"{station.url}/operate")
    time.sleep(1.5)  # the page that was left has gone
    page.reload()
    mine = page.locator("li").filter(has=page.locator(f'a[href="/operate/{address.rpartition("/")[2]}"]'))
    expect(mine).to_contain_text("began just now")
    expect(mine).to_contain_text("ends by itself after 15 minutes")
    mine.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(mine).to_have_count(0)


def test_an_annotator_is_offered_what_annotators_may_do(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "eve", "annotator")
    page.goto(f"{station.url}/")
    expect(page.get_by_role("link", name="Watch R")).to_be_visible()
    expect(page.get_by_role("link", name="Record R")).to_have_count(0)


def test_going_back_makes_a_branch(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="branched")
    drive(page, "KeyR", 1.2)
    page.keyboard.press("KeyP")
    phase(page, "paused")
    last = number(page, "steps")
    page.locator("#timeline").fill(str(last // 2))
    wait_number(page, "steps", last // 2)
    assert page.inner_text("#start-text") == "Continue from here"
    page.locator("#timeline").blur()
    drive(page, "KeyF", 0.4)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    infos = _episodes(station, "branched").list()
    assert len(infos) == 2
    child = next(info for info in infos if info.meta.parent)
    parent = next(info for info in infos if not info.meta.parent)
    assert (child.meta.parent, child.meta.parent_step, parent.meta.outcome) == (parent.meta.id, last // 2, "failure")


def test_marks_notes_and_seeds(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="marked", seed=1)
    drive(page, "KeyR", 0.3)
    page.keyboard.press("Digit1")
    page.wait_for_selector('#success:text("success, by you")')
    page.keyboard.press("KeyN")
    page.keyboard.type("went well")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id !== 'note'")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    (info,) = _episodes(station, "marked").list()
    assert (info.meta.outcome, info.meta.note) == ("success", "went well")
    page.click("#seed-menu summary")
    page.fill("#seed-field", "77")
    page.keyboard.press("Enter")
    wait_number(page, "seed", 77)
    end(page)
    notice = page.locator(".notice", has_text="1 demonstration of your own in marked of reach: train on it.")
    notice.get_by_role("link", name="Train").click()
    expect(page.get_by_label("Demonstrations")).to_have_value("marked")
    expect(page.locator("#dataset-about")).to_contain_text("1 success in 1 episode, by ana. Fewer than ten")


def test_the_pointer_drags_the_hand_and_turns_the_view(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="dragged")
    expect(page.locator("#view-1 .name")).to_have_text("side")
    expect(page.locator("#view-2 .name")).to_have_text("wrist, left and right swapped")
    box = page.locator("#view-0").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=5)
    phase(page, "running")
    page.mouse.up()
    time.sleep(0.5)
    page.mouse.down(button="right")
    page.mouse.move(x, y + 30, steps=5)
    page.mouse.up(button="right")
    page.wait_for_selector("#reset-view:visible")
    page.mouse.wheel(0, 200)
    page.click("#reset-view")
    page.wait_for_selector("#reset-view", state="hidden")
    page.click("#view-1 button")
    expect(page.locator("#view-0 .name")).to_have_text("side")
    expect(page.locator("#view-2 .name")).to_have_text("wrist")
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    (info,) = _episodes(station, "dragged").list()
    moved = _episodes(station, "dragged").load(info.meta.id).action[:, :2]
    assert abs(moved).sum() > 2  # steps at full speed: to the right of the view


def test_a_reload_keeps_the_session_and_the_controls(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="reloaded")
    drive(page, "KeyR", 0.5)
    steps = number(page, "steps")
    page.reload()
    wait_for_picture(page)
    assert number(page, "steps") >= steps
    drive(page, "KeyR", 0.3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    assert len(_episodes(station, "reloaded")) == 1


def test_a_closed_tab_leaves_the_episode_open(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    address = begin(page, station, dataset="closed")
    drive(page, "KeyR", 0.5)
    other = page.context.new_page()
    page.close()
    other.goto(address)
    wait_for_picture(other)
    steps = number(other, "steps")
    assert steps > 5
    drive(other, "KeyR", 0.3)
    assert number(other, "steps") > steps
    other.keyboard.press("KeyK")
    toast(other, "Kept")
    assert len(_episodes(station, "closed")) == 1


def test_a_lost_network_comes_back_by_itself(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="lost")
    drive(page, "KeyR", 0.5)
    page.context.set_offline(True)
    page.wait_for_selector("#banner:has-text('Connection lost. The robot holds still')")
    time.sleep(0.5)
    page.context.set_offline(False)
    page.wait_for_selector("#banner", state="hidden")
    drive(page, "KeyR", 0.3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    assert len(_episodes(station, "lost")) == 1


@pytest.mark.slow
def test_half_a_minute_without_network(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="long-lost")
    drive(page, "KeyR", 0.5)
    page.context.set_offline(True)
    page.wait_for_selector("#banner:has-text('Connection lost')")
    time.sleep(30)
    page.context.set_offline(False)
    page.wait_for_selector("#banner", state="hidden")
    phase(page, "paused")
    drive(page, "KeyF", 0.5)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    (info,) = _episodes(station, "long-lost").list()
    assert info.length < 20 * 10  # the robot held for two seconds, then the session paused


def test_a_spectator_watches_asks_and_is_given_the_controls(open_page: OpenPage, station: Served) -> None:
    ana, ben = sign_in(open_page, station, "ana"), sign_in(open_page, station, "ben")
    address = begin(ana, station, dataset="shared")
    ben.goto(address)
    wait_for_picture(ben)
    ben.wait_for_selector("#banner:has-text('ana drives.')")
    with holding(ben, "KeyR"):
        time.sleep(0.4)
    assert number(ana, "steps") == 0  # nobody is obeyed who does not drive
    ben.keyboard.press("KeyK")
    toast(ben, "ana drives.")
    ben.click("text=Ask for the controls")
    ana.click("text=Hand them to ben")
    ana.wait_for_selector("#banner:has-text('ben drives.')")
    drive(ben, "KeyR", 0.3)
    ben.keyboard.press("KeyK")
    toast(ben, "Kept")
    (info,) = _episodes(station, "shared").list()
    assert info.meta.operator == "ben"
    log = [json.loads(line) for line in (station.home / "sessions.jsonl").read_text().splitlines()]
    assert any(line["text"] == "ana handed the controls to ben." for line in log)


@pytest.mark.slow
def test_two_tabs_of_one_operator_do_not_fight(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    address = begin(page, station, dataset="tabs")
    second = page.context.new_page()
    second.goto(address)
    second.wait_for_selector("#banner:has-text('You drive in another tab.')")
    second.click("text=Drive here")
    page.wait_for_selector("#banner:has-text('You drive in another tab.')")
    drive(second, "KeyR", 0.2)


def test_a_session_process_that_dies_is_replaced(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="killed")
    drive(page, "KeyR", 1.0)
    os.kill(_worker_of(station, "killed"), signal.SIGKILL)
    page.wait_for_selector(".toast:has-text('killed by signal 9')")
    page.click(".toast button:has-text('Continue from there')")
    phase(page, "paused")
    assert number(page, "steps") >= 5
    drive(page, "KeyR", 0.3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")


@pytest.mark.slow
def test_pictures_come_again_after_the_worker_that_draws_was_killed(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="drawn")
    drive(page, "KeyR", 0.3)
    workers = station.children("robo_rlhf.sim.rendering.worker")
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    before = int(page.get_attribute("#view-0 canvas", "data-frame") or 0)
    with holding(page, "KeyF"):
        page.wait_for_function("(n) => document.querySelector('#view-0 canvas').dataset.frame > n + 5", arg=before)
    page.keyboard.press("KeyK")
    toast(page, "Kept")


def test_bad_messages_are_told_and_do_no_harm(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="bad")
    ask = """async ([text, copies]) => {
      const socket = new WebSocket(location.href.replace("http", "ws") + "/socket?key=other");
      await new Promise((done) => (socket.onopen = done));
      socket.send(text.repeat(copies));
      return await new Promise((done) => {
        socket.onclose = ({ code }) => done(`closed ${code}`);
        socket.onmessage = ({ data }) => {
          if (typeof data === "string" && data.includes("not understood")) done(JSON.parse(data).text);
        };
      });
    }"""
    for text, said in (
        ("{", "message"),
        ('{"type": "input", "fence": "x"}', "input.fence"),
        ('{"type": "fly"}', "fly"),
        ('{"type": "view", "cameras": [], "width": 1e9, "height": 1}', "width"),
    ):
        assert said in page.evaluate(ask, [text, 1])
    assert "at most 65,536" in page.evaluate(ask, ["x" * 1000, 70])
    assert page.evaluate(ask, ["x" * 100_000, 100]) in ("closed 1009", "closed 1006")  # 10 MB
    drive(page, "KeyR", 0.3)


def test_a_foreign_page_gets_no_socket(open_page: OpenPage, station: Served) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    page = sign_in(open_page, station, "ana")
    address = begin(page, station, dataset="foreign").replace("http", "ws") + "/socket?key=k"
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin="http://evil.example", additional_headers={"Cookie": cookie})


def test_who_is_signed_out_is_told_and_can_come_back(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "dan")
    address = begin(page, station, dataset="expired")
    drive(page, "KeyR", 0.4)
    page.context.clear_cookies()
    page.context.set_offline(True)
    page.wait_for_selector("#banner:has-text('Connection lost')")
    page.context.set_offline(False)
    page.wait_for_selector("#banner:has-text('Your sign-in has ended. The episode stays open')")
    page.goto(station.new_link("dan", "operator"))
    page.wait_for_url(f"{station.url}/")
    page.goto(address)
    wait_for_picture(page)
    drive(page, "KeyR", 0.3)
    page.keyboard.press("KeyK")
    toast(page, "Kept")
    assert len(_episodes(station, "expired")) == 1


def test_what_cannot_begin_says_why(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    page.goto(f"{station.url}/operate")
    page.fill("#dataset", "../up")
    page.evaluate("document.getElementById('begin').noValidate = true")
    page.click("#go")
    page.wait_for_selector("#problem:has-text('a name below the data home')")


def test_a_session_that_is_over_says_so(open_page: OpenPage, station: Served) -> None:
    page = sign_in(open_page, station, "ana")
    address = begin(page, station, dataset="over")
    drive(page, "KeyR", 0.5)
    end(page)
    page.goto(address)
    assert "It has ended; what was recorded is in the library." in page.inner_text("main")
    (info,) = _episodes(station, "over").list()
    assert "interrupted" in info.meta.tags


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_pages_are_accessible(open_page: OpenPage, station: Served, dark: bool) -> None:
    page = sign_in(open_page, station, "ana", dark=dark)
    page.goto(f"{station.url}/operate")
    for _ in range(2):
        serious = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert serious == []
        begin(page, station, dataset="axe")


def _worker_of(station: Served, dataset: str) -> int:
    """Return the process that has the journal of a dataset open."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                files = [os.readlink(link) for link in (folder / "fd").iterdir()]
            except OSError:
                continue
            if any(file.startswith(str(station.home / dataset / "journal")) for file in files):
                return int(folder.name)
    raise AssertionError(f"no process records into {dataset}")
