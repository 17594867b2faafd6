"""Every page: nothing is cut from 390 to 3840 pixels, at 200 % too; axe finds nothing; the keyboard reaches the bar."""

import pytest
from playwright.sync_api import Page, expect

from teleop.station.web.pages import GROUPS, pages
from tests.browser.conftest import OpenPage, Served
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in

WIDTHS = (390, 640, 3840)  # a phone; 1280 at 200 %; a large screen
CUT = """() => [...document.querySelectorAll('header nav a, nav.inside a')].filter((link) => {
  const box = link.getBoundingClientRect();
  return box.left < 0 || box.right > innerWidth || link.scrollWidth > link.clientWidth + 1;
}).map((link) => link.textContent)"""
MOVES = """() => document.getAnimations().filter((one) => one.effect.getComputedTiming().duration > 1
  && one.playState === 'running').length"""


REACHABLE = """() => {
  const fits = 'a[href], button, input, select, textarea, summary, [tabindex]';
  const seen = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest('[inert]');
  const there = (one) => one.tabIndex >= 0 && !one.disabled && seen(one);
  const other = (one) => one.type === 'radio' && !one.checked;  // arrows reach the others of a group
  const name = (one) => `${one.tagName} ${one.getAttribute('aria-label') || one.id || one.textContent.trim()}`;
  window.reached ||= new Set();
  if (!window.walks) document.addEventListener('focusin', ({ target }) => reached.add(name(target)));
  window.walks = true;
  const wanted = [...document.querySelectorAll(fits)].filter((one) => there(one) && !other(one));
  return [...new Set(wanted.map(name))].filter((one) => !reached.has(one));
}"""
MOST = 160  # presses
INSIDE = ("/library/statistics", "/library/trash", "/accounts/log", "/library/episode/samples/reach/reach-3000000")
MORE = ("/guidelines?task=pick_place", "/account", *INSIDE)  # reasons and axes; groups and tokens; pages within pages


def unreached(page: Page, station: Served, path: str) -> list[str]:
    """Return what Tab does not come to, on one page."""
    page.goto(f"{station.url}{path}")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    for _ in range(0, MOST, 20):
        if not page.evaluate(REACHABLE):
            break
        for _ in range(20):
            page.keyboard.press("Tab")
    return [f"{path}: {one}" for one in page.evaluate(REACHABLE)]


def look(page: Page, station: Served, path: str) -> list[str]:
    """Return what is wrong with a page at any width."""
    page.goto(f"{station.url}{path}")
    expect(page.get_by_role("heading").first).to_be_attached()
    wrong = [f"{path}: {finding}" for finding in findings(page)]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if (more := sticks_out(page)) > 0:
            wrong.append(f"{path} at {width}: {more} pixels too wide")
        wrong += [f"{path} at {width}: {word} is cut" for word in page.evaluate(CUT)]
    return wrong + [f"{path}: moves"] * bool(page.evaluate(MOVES))


@pytest.mark.parametrize("role", ["administrator", "annotator"])
def test_no_page_is_cut_and_axe_finds_nothing(station: Served, open_page: OpenPage, role: str) -> None:
    page = sign_in(open_page, station, role, role, reduced_motion="reduce")
    shown = [one for one in pages() if one.order is not None and (role == "administrator" or one.role == "annotator")]
    wrong = [finding for path in (*[one.path for one in shown], *MORE) for finding in look(page, station, path)]
    assert wrong == []


def test_tab_comes_to_everything_on_every_page(station: Served, open_page: OpenPage) -> None:
    page = sign_in(open_page, station, "olga", "administrator")
    paths = [one.path for one in pages() if one.order is not None]
    assert [one for path in (*paths, *MORE) for one in unreached(page, station, path)] == []


def test_the_bar_has_five_words_and_the_keyboard_reaches_what_is_inside(page: Page, station: Served) -> None:
    bar = page.get_by_role("navigation", name="Pages")
    assert bar.get_by_role("link").all_inner_texts() == list(GROUPS.values())
    bar.get_by_role("link", name="Learn").focus()
    page.keyboard.press("Enter")
    inside = page.get_by_role("navigation", name="Learn")
    expect(inside.get_by_role("link", name="Train")).to_have_attribute("aria-current", "page")
    page.keyboard.press("Tab")
    inside.get_by_role("link", name="Monitor").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{station.url}/monitor")
