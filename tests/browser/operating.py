"""Helpers of the operate page's tests: begin a session, hold keys, read the page."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, Served

SHOWN = "() => document.querySelector('#view-0 canvas')?.dataset.frame > 0"


def sign_in(open_page: OpenPage, station: Served, name: str, role: str = "operator", **options: Any) -> Page:
    """Return an empty page, signed in as a person of this name."""
    return open_page("about:blank", link=station.new_link(name, role), **options)


def begin(page: Page, station: Served, task: str = "reach", dataset: str = "", **query: Any) -> str:
    """Begin a session, wait for its first picture and return its address."""
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{station.url}/operate?task={task}&dataset={dataset or task}&start=1&fresh=1{asked}")
    page.wait_for_url("**/operate/*")
    wait_for_picture(page)
    return page.url


def end(page: Page) -> None:
    """End the session of a page."""
    page.click("#session-menu summary")
    page.click("#end")
    page.click("dialog >> text=End it")
    page.wait_for_url("**/operate?ended=*")


def wait_for_picture(page: Page) -> None:
    page.wait_for_function(SHOWN)


def phase(page: Page, wanted: str) -> None:
    """Wait until the session is in a phase."""
    page.wait_for_selector(f'#operate[data-phase="{wanted}"]')


@contextmanager
def holding(page: Page, key: str) -> Iterator[None]:
    page.keyboard.down(key)
    try:
        yield
    finally:
        page.keyboard.up(key)


def drive(page: Page, key: str = "KeyR", seconds: float = 0.5) -> None:
    """Hold a key for a while, once the session runs."""
    with holding(page, key):
        phase(page, "running")
        time.sleep(seconds)


def number(page: Page, place: str) -> int:
    return int(page.inner_text(f"#{place}").split(",")[0])


def wait_number(page: Page, place: str, wanted: int) -> None:
    page.wait_for_function(
        "([place, wanted]) => parseInt(document.getElementById(place).textContent) === wanted", arg=[place, wanted]
    )


def toast(page: Page, text: str) -> None:
    """Wait for a message that holds `text`."""
    page.locator(f'.toast:has-text("{text}")').last.wait_for()
