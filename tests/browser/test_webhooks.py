"""Webhooks and the description of the API in the browser: a station that was started to reach its own machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from robo_rlhf.feedback.store import Store
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.teleop.station.api.receiving import receiving, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("webhooks") / "home", "--allow-private-webhooks") as found:
        yield found


def test_a_webhook_is_added_tried_and_removed(served: Served, open_page: OpenPage) -> None:
    page = open_page(f"{served.url}/accounts", link=served.new_link())
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    with receiving() as receiver:
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_role("button", name="Add").click()
        expect(page.locator("#secret")).to_have_text(re.compile(r"\S+"))  # only then is it in the database
        expect(page.locator("#secret")).to_have_text(secret(served.home))
        page.get_by_role("button", name="I have it").click()
        page.get_by_role("button", name="Send a test").click()
        until(lambda: receiver.got)
        expect(page.get_by_role("row", name="test")).to_be_visible()
    for width, dark in ((1280, False), (390, True)):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.reload()
        expect(page.get_by_role("button", name="Send a test")).to_be_visible()
        assert findings(page) == []
        assert sticks_out(page) <= 0
    page.get_by_role("button", name="Let it rest").click()
    expect(page.get_by_text("rests")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def secret(home: Path) -> str:
    """Return the secret of the only webhook, which no page shows again."""
    with Store(home / "feedback.db") as store, store.database.read() as connection:
        return str(connection.exec_driver_sql("SELECT secret FROM webhooks").scalar_one())


def test_the_api_is_described(served: Served, open_page: OpenPage) -> None:
    page = open_page(f"{served.url}/api/v1/docs", link=served.new_link())
    page.get_by_role("navigation", name="Resources").get_by_role("link", name="answers").click()
    endpoint = page.locator("details.endpoint").filter(has_text="Submit an answer.")
    endpoint.locator("summary").click()
    expect(endpoint.get_by_label("Example with curl")).to_contain_text('curl -X POST "$STATION/api/v1/answers"')
    for width, dark in ((1280, True), (390, False)):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if dark else "light")
        assert findings(page) == []
        assert sticks_out(page) <= 0
