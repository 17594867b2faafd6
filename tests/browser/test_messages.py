"""Toasts and dialogs, as every page uses them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Served
from tests.browser.looks import findings


@pytest.fixture
def page(open_page: OpenPage, station: Served) -> Page:
    """A page with nothing of its own."""
    return open_page(f"{station.url}/nowhere", link=station.new_link())


def start(page: Page, module: str, code: str) -> None:
    """Run something that ends only when the person has done something, and keep what came of it."""
    page.evaluate(
        f"""([name, code]) => {{
          window.outcome = "none yet";
          const base = document.querySelector('script[src*="base.js"]').src;
          import(base.replace("base.js", `${{name}}.js`)).then((m) => {code}).then((value) => (window.outcome = value));
        }}""",
        [module, code],
    )


def test_messages_leave_by_themselves_but_bad_ones_stay(page: Page) -> None:
    page.clock.install()
    page.reload()
    start(page, "toast", "(m.tell('Kept episode 7.', 'good'), m.tell('The disk is full.', 'bad'))")
    expect(page.get_by_role("status")).to_contain_text("Kept episode 7.")
    expect(page.get_by_role("alert")).to_contain_text("The disk is full.")
    assert findings(page) == []
    page.clock.fast_forward(7000)
    expect(page.get_by_role("status")).to_have_count(0)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_message_may_offer_something_and_is_not_shown_twice(page: Page) -> None:
    for _ in range(3):
        start(page, "toast", "m.tell('Discarded.', 'plain', {label: 'Undo', run: () => (document.title = 'undone')})")
    expect(page.get_by_role("status")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_title("undone")
    expect(page.get_by_role("status")).to_have_count(0)


def test_what_is_told_is_text(page: Page) -> None:
    start(page, "toast", "m.tell('<img src=x onerror=alert(1)>', 'bad')")
    expect(page.get_by_role("alert")).to_contain_text("<img src=x onerror=alert(1)>")


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    page.get_by_role("link", name="Operate").focus()
    start(page, "dialog", "m.confirm('Delete 3 episodes?', 'They go to the trash.', {yes: 'Delete', tone: 'danger'})")
    dialog = page.get_by_role("dialog", name="Delete 3 episodes?")
    expect(dialog.get_by_role("button", name="Delete")).to_be_focused()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("link", name="Operate")).to_be_focused()
    assert page.evaluate("outcome") is False
    start(page, "dialog", "m.confirm('Delete 3 episodes?', 'They go to the trash.', {yes: 'Delete'})")
    expect(dialog.get_by_role("button", name="Delete")).to_be_focused()  # else Enter would follow the link behind it
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    page.wait_for_function("() => outcome === true")


def test_a_text_is_asked_for(page: Page) -> None:
    start(page, "dialog", "m.askText('Note', {label: 'What happened?', value: 'slip', long: true})")
    field = page.get_by_label("What happened?")
    expect(field).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type("ped\ntwice")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => outcome === 'slipped\\ntwice'")
    start(page, "dialog", "m.askText('Name', {label: 'Name'})")
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.press("Escape")
    page.wait_for_function("() => outcome === null")


def test_a_station_that_is_gone_is_told(page: Page) -> None:
    page.context.set_offline(True)
    start(page, "api", "m.tellRefusals(() => m.send('/sign-out'))")
    expect(page.get_by_role("alert")).to_contain_text("The station cannot be reached. Nothing was changed; try again.")
