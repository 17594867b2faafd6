"""The review page in Chromium: keys, undo, notes, the outbox, clips in lock step, and how it looks."""

import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.axes import USUAL
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in, wait_number
from tests.reviewing import ask, questions_about

KINDS = ("pairwise", "approval", "rating", "ranking", "moments", "correction", "axes", "actions")
CRITERIA = {"meta": {"criteria": ["gentleness", "speed"]}}
ALONG = {"meta": {"axes": [*USUAL]}}
PLAYS = "() => (document.querySelector('.clips.now video')?.currentTime || 0) > 0.05"
APART = """
async (seconds) => {
  const parts = [...document.querySelectorAll(".clips.now video")];
  const until = performance.now() + 1000 * seconds;
  const apart = [];
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const times = parts.map((video) => video.currentTime);
    const most = Math.max(...times) - Math.min(...times);
    apart.push(20 * Math.min(most, Math.max(...parts.map((video) => video.duration)) - most));
  }
  return apart;
}
"""


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("reviewed") / "home"
    shutil.copytree(sample_home, home)
    asked = []
    for kind in KINDS:
        fields: Any = {"rating": CRITERIA, "axes": ALONG}.get(kind, {})
        asked += questions_about(home, "samples/pick_place", kind, 8, run=kind, overlap=9, **fields)
    ask(home, asked)
    with serving(home) as served:
        yield served


@pytest.fixture
def store(station: Served) -> Iterator[Store]:
    with Store(station.home / "feedback.db") as store:
        yield store


Review = Callable[..., Page]


@pytest.fixture
def review(station: Served, open_page: OpenPage) -> Review:
    """Return a function that opens the page for questions of a kind, for a new annotator."""

    def open_review(kind: str, *, role: str = "annotator", **options: Any) -> Page:
        name = f"{kind}-{uuid.uuid4().hex[:8]}"
        page = sign_in(open_page, station, name, role, **options)
        page.goto(f"{station.url}/review?run={kind}")
        plays(page)
        return page

    return open_review


def plays(page: Page) -> None:
    page.wait_for_function(PLAYS)


def shown(page: Page) -> str:
    """Return the question that is shown."""
    return page.locator("#workspace").get_attribute("data-question") or ""


def press(page: Page, key: str) -> str:
    """Press a key that answers when the clips play, wait for the next question, and return the one before."""
    plays(page)
    before = shown(page)
    page.keyboard.press(key)
    expect(page.locator("#workspace")).not_to_have_attribute("data-question", before)
    return before


def answers(store: Store, page: Page, count: int) -> list[Any]:
    """Wait until so many answers of the page's user are stored."""
    name = page.locator("#account summary").inner_text().strip()
    until = time.monotonic() + 20
    while True:
        found = [answer for answer in store.answers() if answer.annotator == name]
        if len(found) == count or time.monotonic() > until:
            assert len(found) == count
            return found
        time.sleep(0.1)


def test_one_key_answers_and_the_answer_names_the_clip(review: Review, store: Store) -> None:
    page = review("pairwise")
    left = page.locator(".clips.now .clip-of").first.get_attribute("data-name")
    first = press(page, "1")
    second = press(page, "3")
    found = {answer.question_id: answer for answer in answers(store, page, 2)}
    assert found[first].value == {"choice": left}
    assert (found[first].shown or "")[0] == left
    assert found[second].value == {"choice": "tie"}
    assert 0 < (found[first].response_time or 0) < 60


def test_undo_goes_back_and_a_note_goes_along(review: Review, store: Store) -> None:
    page = review("pairwise")
    first = press(page, "1")
    page.keyboard.press("z")
    expect(page.locator("#workspace")).to_have_attribute("data-question", first)
    expect(page.locator("#given")).to_have_text("Back at this question. You had answered: A is better.")
    expect(page.locator(".clips.now .given")).to_have_text(re.compile("A is better"))
    plays(page)
    page.keyboard.press("n")
    page.keyboard.type("1 z: smoother 2")  # keys rest while the user types
    expect(page.locator("#workspace")).to_have_attribute("data-question", first)
    page.keyboard.press("Enter")
    press(page, "2")
    expect(page.locator("#given")).to_be_hidden()
    (found,) = answers(store, page, 1)
    assert (found.question_id, found.value["note"]) == (first, "1 z: smoother 2")
    page.reload()
    plays(page)
    page.keyboard.press("z")
    expect(page.locator("#workspace")).to_have_attribute("data-question", first)
    expect(page.get_by_label("Note, sent with")).to_have_value("1 z: smoother 2")
    answers(store, page, 0)


def test_it_says_how_far_the_work_is_and_when_all_is_answered(
    sample_home: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    home = tmp_path / "home"
    shutil.copytree(sample_home, home)
    ask(home, questions_about(home, "samples/pick_place", "pairwise", 3, run="last"))
    learner = Run(home / "runs" / "last", {"task": "pick_place", "demos": 5, "annotator": "human"})
    with serving(home) as served:
        page = sign_in(open_page, served, "last", "annotator")
        page.goto(f"{served.url}/review")
        expect(page.locator("#pace")).to_contain_text("1 of 3")
        press(page, "1")
        expect(page.locator("#pace")).to_contain_text("2 of 3 · less than a minute left")
        assert page.locator("#progress").evaluate("bar => [bar.value, bar.max]") == [1, 3]
        press(page, "2")
        plays(page)
        page.keyboard.press("1")
        expect(page.get_by_role("heading", name="All 3 answered")).to_be_visible()
        came = page.get_by_role("list", name="What comes of it")
        learner.child("round-1/finetune", {}).log(1, {"reward": 1.0})
        expect(came).to_contain_text("it trains now: round 1, fine-tuning")
        learner.finish({"before": {"success": {"value": 0.4}}, "after": {"success": {"value": 0.8}}})
        expect(came).to_contain_text("success 40 % before, 80 % now")
        page.keyboard.press("z")
        expect(page.locator("#pace")).to_contain_text("3 of 3")


def test_a_question_whose_answer_is_under_way_does_not_come_again(review: Review, store: Store) -> None:
    page = review("pairwise")
    expect(page.locator("#stages .clips")).to_have_count(3)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/review/answer", hold)
    with page.expect_response("**/api/review/next"):
        first = press(page, "1")
    expect(page.locator("#stages .clips")).to_have_count(3)
    assert first not in page.locator("#stages .clips").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.question)"
    )
    for route in held:
        route.continue_()
    answers(store, page, 1)


def test_answers_wait_in_the_browser_and_arrive_once(review: Review, store: Store) -> None:
    page = review("approval")

    def away(route: Route) -> None:
        route.abort("internetdisconnected")

    page.route("**/api/review/answer", away)
    asked = [press(page, "1"), press(page, "2")]
    expect(page.locator("#outbox")).to_contain_text("2 answers are kept here")
    page.reload()
    plays(page)
    assert shown(page) not in asked
    asked.append(press(page, "1"))
    assert answers(store, page, 0) == []
    page.unroute("**/api/review/answer")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    found = answers(store, page, 3)
    assert [answer.question_id for answer in found] == asked
    expect(page.locator("#workspace")).to_have_attribute("data-waiting", "0")
    assert page.locator("#outbox").is_hidden()


def test_signing_in_again_sends_what_was_answered(review: Review, store: Store, station: Served) -> None:
    page = review("approval")
    name = page.locator("#account summary").inner_text().strip()
    page.context.clear_cookies()
    press(page, "1")
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    press(page, "2")
    other = page.context.new_page()
    other.goto(station.new_link(name, "annotator"))
    other.wait_for_url(f"{station.url}/")
    answers(store, page, 2)


def test_a_clip_that_does_not_come_makes_room_for_the_next(review: Review, store: Store) -> None:
    page = review("pairwise")
    spoilt: list[str] = []

    def spoil(route: Route) -> None:
        spoilt.append(route.request.url)
        route.fulfill(status=410, json={"error": "It is damaged.", "code": "broken"})

    page.route("**/review/clip/**", spoil, times=1)
    page.reload()
    plays(page)
    press(page, "1")
    answers(store, page, 1)
    assert len(spoilt) == 1


def test_clips_run_in_lock_step(review: Review) -> None:
    page = review("pairwise")
    for key in ("", ".", "."):  # at 1, 1.5 and 2 times their speed
        if key:
            page.keyboard.press(key)
        apart = sorted(page.evaluate(APART, 1.5))
        assert apart[int(0.95 * len(apart))] <= 1, apart[-10:]
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert max(page.evaluate(APART, 0.1)) == 0


def test_every_kind_is_answered_by_keys(review: Review, store: Store) -> None:
    page = review("rating")
    page.keyboard.press("4")
    press(page, "2")
    assert answers(store, page, 1)[0].value == {"ratings": {"gentleness": 4, "speed": 2}}
    press(page, "0")
    page = review("ranking")
    names = [name.get_attribute("data-name") for name in page.locator(".clips.now .clip-of").all()]
    done = page.get_by_role("button", name="Done")
    expect(done).to_be_disabled()
    page.keyboard.press("Enter")  # the order in which they are shown is nobody's
    page.keyboard.press("3")
    expect(done).to_be_disabled()
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    expect(done).to_be_enabled()
    page.keyboard.press("1")
    page.keyboard.press("t")
    press(page, "Enter")
    third, second, first = names[2], names[1], names[0]
    assert answers(store, page, 1)[0].value == {"ranking": [[third], sorted([str(second), str(first)])]}
    page = review("moments")
    page.keyboard.press("=")
    page.keyboard.press("-")
    expect(page.get_by_text("1 good · 1 bad")).to_be_visible()
    press(page, "Enter")
    presses = answers(store, page, 1)[0].value["presses"]
    assert [one["sign"] for one in presses] == [1, -1]
    assert all(0 <= one["step"] <= 20 and one["rate"] == 20 for one in presses)
    page = review("correction")
    expect(page.get_by_role("button", name="Show how")).to_be_disabled()
    press(page, "1")
    assert answers(store, page, 1)[0].value == {"choice": "fine"}


def test_clips_are_compared_along_axes_by_keys(review: Review, store: Store) -> None:
    page = review("axes")
    left, right = (str(clip.get_attribute("data-name")) for clip in page.locator(".clips.now .clip-of").all())
    rows = page.locator("#controls .criterion")
    expect(rows).to_have_count(len(USUAL))
    page.keyboard.press("1")
    page.keyboard.press("1")
    page.keyboard.press("z")  # the last one back
    for key in ("2", "3", "0"):
        page.keyboard.press(key)
    expect(rows.nth(4)).to_have_class("criterion now")
    press(page, "1")
    said = dict(zip(USUAL, (left, right, "tie", "cant_tell", left), strict=True))
    assert answers(store, page, 1)[0].value == {"axes": said}
    page.keyboard.press("z")
    expect(page.locator("#given")).to_have_text(
        "Back at this question. You had answered: task success: A, speed: B, smoothness: tie, safety: can't tell, "
        "care with the object: A."
    )
    page.keyboard.press("2")  # the first row, by the keyboard; then the third by the pointer
    rows.nth(2).get_by_role("button", name="B").click()
    expect(rows.nth(1)).to_have_class("criterion now")


def test_clips_are_ordered_by_dragging_and_tied_by_dropping(review: Review, store: Store) -> None:
    page = review("ranking")
    clips = page.locator(".clips.now .clip-of")
    names = [str(clip.get_attribute("data-name")) for clip in clips.all()]
    boxes = [clip.locator(".screen").bounding_box() for clip in clips.all()]
    assert boxes[0]
    assert boxes[2]
    page.mouse.move(boxes[2]["x"] + 100, boxes[2]["y"] + 80)
    page.mouse.down()
    page.mouse.move(boxes[0]["x"] + 5, boxes[0]["y"] + 80, steps=5)
    page.mouse.up()  # the third before the first
    expect(page.locator(".hint")).to_contain_text("C  >  A  >  B")
    page.get_by_role("button", name="B: tied with the one before it").click()
    expect(page.locator(".hint")).to_contain_text("C  >  A = B")
    page.get_by_role("button", name="C: worse").click()
    page.get_by_role("button", name="Done").click()
    assert answers(store, page, 1)[0].value == {"ranking": [sorted([names[0], names[1]]), [names[2]]]}


def test_show_how_opens_the_operate_page_at_the_frame(review: Review, store: Store) -> None:
    page = review("correction", role="operator")
    page.keyboard.press("Space")
    (clip,) = next(q for q in store.questions("correction") if q.id == shown(page)).segments
    frame = clip.start + int(page.locator("#scrub").input_value())
    with page.expect_popup() as opened:
        page.keyboard.press("h")
    opened.value.wait_for_url("**/operate/*", timeout=60_000)
    wait_number(opened.value, "steps", frame)
    opened.value.click("#session-menu summary")
    opened.value.click("#end")
    opened.value.click("dialog >> text=End it")


def test_of_a_pair_one_chooses_what_to_show(review: Review, store: Store) -> None:
    page = review("pairwise", role="operator")
    clips = next(q for q in store.questions("pairwise") if q.id == shown(page)).segments
    second = page.locator(".clips.now .clip-of").nth(1).get_attribute("data-name")
    page.keyboard.press("h")
    dialog = page.get_by_role("dialog", name="Which clip do you show how to do better?")
    expect(dialog.get_by_role("button", name="Clip B")).to_be_visible()
    with page.expect_popup() as opened:
        page.keyboard.press("2")
    opened.value.wait_for_url(f"**episode={clips['AB'.index(str(second))].episode_id}**")
    opened.value.close()


def test_nothing_to_review_says_how_to_get_questions(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "early", "annotator")
    page.goto(f"{station.url}/review?run=none")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.get_by_text("when a training asks people")).to_be_visible()
    assert findings(page) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_legible_and_fits(kind: str, review: Review) -> None:
    dark = KINDS.index(kind) % 2 == 0
    page = review(kind, dark=dark, width=390, height=844)
    assert findings(page) == []
    assert sticks_out(page) <= 0
    page.set_viewport_size({"width": 1280, "height": 800})
    assert findings(page) == []
    assert sticks_out(page) <= 0
