import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.accounts.people import People
from tests.browser.conftest import OpenPage, Served
from tests.browser.looks import findings, sticks_out

PASSWORD = "a few words of anna's"


@pytest.fixture(scope="module")
def anna(station: Served) -> str:
    people = People(station.home / "feedback.db")
    people.add("anna", "operator")
    people.set_password("anna", PASSWORD)
    people.close()
    return "anna"


def test_the_link_signs_in_once(station: Served, open_page: OpenPage) -> None:
    page = open_page(station.link)
    page.wait_for_url(f"{station.url}/")
    assert page.context.cookies()[0]["httpOnly"]
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{station.url}/operate")
    page.goto(station.link)  # again, in the same browser: it is signed in anyway
    page.wait_for_url(f"{station.url}/")
    other = open_page(station.link)
    expect(other.get_by_role("heading", name="This link does not work")).to_be_visible()
    expect(other.get_by_text("this link was used before")).to_be_visible()
    assert "#" not in other.url
    assert findings(other) == []


def test_the_link_may_lead_on_to_a_page(station: Served, open_page: OpenPage) -> None:
    page = open_page(station.new_link().replace("/enter#", "/enter?next=/operate%3Ftask%3Dreach#"))
    page.wait_for_url(f"{station.url}/operate?task=reach")


def test_signing_in_with_a_password_leads_where_one_was_going(station: Served, anna: str, open_page: OpenPage) -> None:
    page = open_page(f"{station.url}/operate?task=reach")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Type your name.")
    page.keyboard.type(anna)
    page.keyboard.press("Tab")
    page.keyboard.type("something else")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("name or password are wrong")
    assert findings(page) == []
    page.keyboard.type(PASSWORD)  # the wrong one is selected, so typing replaces it
    page.keyboard.press("Enter")
    page.wait_for_url(f"{station.url}/operate?task=reach")
    expect(page.locator("#account summary")).to_have_text("anna")


def test_signing_out_ends_it_in_every_tab(page: Page, station: Served) -> None:
    other = page.context.new_page()
    other.goto(station.url)
    page.locator("#account summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{station.url}/sign-in")
    told = other.evaluate(
        """async () => {
          const api = await import(document.querySelector('script[src*="base.js"]').src.replace("base.js", "api.js"));
          return api.send("/sign-out").catch((error) => [error.status, error.code, error.message]);
        }"""
    )
    assert told[:2] == [401, "signed_out"]
    expect(other.get_by_role("alert")).to_contain_text("Your session has ended. Sign in again in a new tab")
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(other).to_have_url(f"{station.url}/sign-in?next=%2F")


def test_an_older_tab_takes_the_token_of_the_newer_session(page: Page, station: Served) -> None:
    newer = page.context.new_page()
    newer.goto(station.new_link("anna2", "operator"))
    newer.wait_for_url(f"{station.url}/")
    page.locator("#account summary").click()
    page.get_by_role("button", name="Sign out").click()  # refused at first: its token is that of the older session
    page.wait_for_url(f"{station.url}/sign-in")


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_signing_in_and_errors_are_legible_and_fit(dark: bool, station: Served, open_page: OpenPage) -> None:
    for path in ("/sign-in?expired=1", "/enter", "/nowhere"):
        page = open_page(station.url + path, dark=dark, width=360)
        page.wait_for_load_state("networkidle")
        assert findings(page) == []
        assert sticks_out(page) <= 0
