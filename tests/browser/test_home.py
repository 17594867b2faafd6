from playwright.sync_api import Page, expect


def test_the_link_signs_in_and_shows_home(page: Page) -> None:
    expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()
    assert "#" not in page.url
