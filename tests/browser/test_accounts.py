"""Accounts in a real browser: an invitation from end to end, and names and texts that try to inject markup."""

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect

from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import Principal
from robo_rlhf.feedback.notes import Note
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served
from tests.browser.looks import findings, sticks_out
from tests.feedback.making import QUESTIONS, join_team

HOSTILE = (Path(__file__).parents[1] / "teleop/station/accounts/hostile.txt").read_text().splitlines()
MADE = """() => [...document.querySelectorAll(
    ".xss, iframe, object, embed, base, marquee, [onerror], [onload], [onclick], [onfocus], [onmouseover], "
    + "[href^='javascript:' i], [href^='data:' i], [src^='javascript:' i], [action*='evil'], [src*='evil']"
)].map((made) => made.outerHTML)"""


def test_from_an_invitation_to_a_password_and_a_token(page: Page, station: Served, open_page: OpenPage) -> None:
    page.goto(f"{station.url}/accounts")
    page.keyboard.press("i")
    page.keyboard.type("anna")
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="A link for anna")
    link = field.input_value()
    assert link.startswith(f"{station.url}/enter?next=/account#")
    assert findings(page) == []
    page.get_by_role("button", name="Done").click()
    row = page.get_by_role("row").filter(has_text="anna")
    expect(row).to_contain_text("invited")

    anna = open_page(link, width=390)
    anna.wait_for_url(f"{station.url}/account")
    expect(anna.get_by_text("You came by a link")).to_be_visible()
    anna.get_by_label("New password").fill("some words of mine")
    anna.get_by_label("Once more").fill("some words of yours")
    anna.get_by_role("button", name="Choose it").click()
    expect(anna.get_by_role("alert")).to_have_text("The two are not the same.")
    anna.get_by_label("Once more").fill("some words of mine")
    anna.get_by_role("button", name="Choose it").click()
    expect(anna.get_by_role("heading", name="Password", exact=True)).to_be_visible()
    anna.get_by_label("In free words").fill("right-handed,  robotics   background, Right-handed")
    anna.get_by_role("button", name="Save the groups").click()
    expect(anna.get_by_text("The groups are saved.")).to_be_visible()
    expect(anna.get_by_label("In free words")).to_have_value("right-handed, robotics background")
    anna.get_by_text("Make a token").click()
    anna.get_by_label("What it is for").fill("nightly export")
    anna.get_by_role("button", name="Make it").click()
    secret = anna.get_by_role("textbox", name="The token").input_value()
    assert secret.startswith("rlhf_")
    anna.get_by_role("button", name="Done").click()
    expect(anna.locator("#tokens")).to_contain_text("nightly export")
    assert findings(anna) == []
    assert sticks_out(anna) <= 0

    page.reload()
    page.keyboard.press("f")
    page.keyboard.type("robotics")
    expect(page.locator("#shown")).to_have_text("1 of 2 people")
    page.get_by_role("link", name="anna").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    anna.reload()
    anna.wait_for_url(f"{station.url}/sign-in?**")
    answer = anna.request.get(f"{station.url}/session", headers={"authorization": f"Bearer {secret}"})
    assert answer.json()["code"] == "token_disabled"


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_pages_look_right(width: int, dark: bool, station: Served, open_page: OpenPage) -> None:
    page = open_page("about:blank", link=station.new_link("eve"), width=width, dark=dark)
    for path in ("/accounts", "/accounts/log", "/accounts/people/eve", "/account"):
        page.goto(f"{station.url}{path}")
        assert findings(page) == [], path
        assert sticks_out(page) <= 0, path


def test_whatever_people_write_is_shown_as_they_wrote_it(station: Served, open_page: OpenPage) -> None:
    people, store = People(station.home / "feedback.db"), Store(station.home / "feedback.db")
    mallory = people.add("mallory", "administrator")
    store.add_questions(QUESTIONS[:1])
    task = QUESTIONS[0].task
    for number, text in enumerate(HOSTILE):
        people.sessions.begin(mallory, agent=text, address=text)
        if number < 40:
            people.tokens.create(mallory, text[:64].strip(), "annotator")
        people.audit.write(Principal(text[:64]), text[:32], text)
        store.notes.add(Note(text, "question", QUESTIONS[0].id, text), key=f"k{number}")
        join_team(store, text, text[:40])
    store.tasks.write_guidelines(task, "\n\n".join(HOSTILE), HOSTILE[0])
    people.set_groups("mallory", [text.replace(",", "")[:40] for text in HOSTILE[:8]])
    page = open_page("about:blank", link=station.new_link("mallory"))
    told: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: told.append(request.url) if not request.url.startswith(station.url) else None)
    paths = ["/accounts", "/accounts/people/mallory", "/accounts/log", "/account", "/review", "/quality"]
    for path in (*paths, f"/guidelines?task={task}", "/library", "/monitor", "/"):
        page.goto(f"{station.url}{path}")
        assert page.evaluate(MADE) == [], path
        assert page.evaluate("window.xss") is None, path
        assert told == [], path
    page.goto(f"{station.url}/accounts/people/mallory")
    expect(page.locator("#tokens")).to_contain_text(HOSTILE[39][:64].strip())
    store.close()
    people.close()
