"""Checks of every page's layout: axe finds nothing serious, and nothing overflows to the side."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_axe = Axe()


def findings(page: Page) -> list[str]:
    """Return what axe finds that is serious or worse, one line an element."""
    response = _axe.run(page, options={"resultTypes": ["violations"]}).response  # what is fine need not be listed
    return [
        f"{violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for violation in response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def sticks_out(page: Page) -> float:
    """Return by how many pixels the page is wider than its window."""
    return float(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
