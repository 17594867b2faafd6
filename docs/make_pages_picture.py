"""Make docs/pictures/operate.png, the operate page while a demonstration is driven, in Chromium: `make picture`."""

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPISODE, FRAME = "pick_place-3000000", 52
SIZE = {"width": 1280, "height": 760}  # [pixels]


def main() -> None:
    """Serve an empty data home, continue from a frame of a sample, and photograph what the page shows."""
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import NAMES, OPTIONS, serving

    chromium = next(found for name in NAMES if (found := shutil.which(name)))
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home)) as station,
        sync_playwright() as player,
        player.chromium.launch(executable_path=chromium, args=OPTIONS) as browser,
    ):
        page = browser.new_page(viewport=SIZE)
        page.goto(station.link)
        page.wait_for_load_state("networkidle")
        where = f"source=samples/pick_place&episode={EPISODE}&frame={FRAME}&mode=continue"
        page.goto(f"{station.url}/operate?task=pick_place&start=1&{where}")
        page.wait_for_timeout(5000)  # a picture that stands still is drawn once more at full size
        page.screenshot(path=ROOT / "docs" / "pictures" / "operate.png")
    print(f"wrote {ROOT / 'docs' / 'operate.png'}")


if __name__ == "__main__":
    main()
