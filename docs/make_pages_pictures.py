"""Make the pictures of pages in docs/pictures, in Chromium: the operate page, the review page, a report.

`make pictures` calls it. The report is that of a real run, which takes two minutes.
"""

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
EPISODE, FRAME = "pick_place-3000000", 52
SIZE = {"width": 1280, "height": 760}  # [pixels]
STEPS = 40  # of a clip
RUN = "run --task pick_place --demos 10 --labels 24 --rounds 1 --preset quick --run quick"


def main() -> None:
    """Serve an empty data home with some questions, photograph its pages, then do a run and photograph its report."""
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import sync_playwright

    from robo_rlhf.cli.main import main as command
    from tests.browser.conftest import NAMES, OPTIONS, SAMPLES, serving
    from tests.reviewing import ask, questions_about

    chromium = next(found for name in NAMES if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        shutil.copytree(SAMPLES / "pick_place", home / "samples" / "pick_place")
        ask(home, questions_about(home, "samples/pick_place", "pairwise", 12, steps=STEPS))
        with (
            serving(home) as station,
            sync_playwright() as player,
            player.chromium.launch(executable_path=chromium, args=OPTIONS) as browser,
        ):
            page = browser.new_page(viewport=SIZE)
            page.goto(station.link)
            page.wait_for_load_state("networkidle")
            page.goto(f"{station.url}/review")
            page.wait_for_timeout(20_000)  # until both clips are drawn and play
            page.screenshot(path=PICTURES / "review.png")
            where = f"source=samples/pick_place&episode={EPISODE}&frame={FRAME}&mode=continue"
            page.goto(f"{station.url}/operate?task=pick_place&start=1&{where}")
            page.wait_for_timeout(5000)  # a picture that stands still is drawn once more at full size
            page.screenshot(path=PICTURES / "operate.png")
            assert command([*RUN.split(), "--home", str(home)]) == 0
            page.goto((home / "runs" / "quick" / "report.html").as_uri())
            page.wait_for_timeout(1000)
            page.screenshot(path=PICTURES / "report.png")
    print(f"wrote operate.png, review.png and report.png into {PICTURES}")


if __name__ == "__main__":
    main()
