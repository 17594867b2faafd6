"""From the page to a trained policy: started, told how far, going on when the station is killed."""

import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, serving
from tests.browser.looks import findings, sticks_out

LONG = 120_000  # [ms] for a process to learn on a busy machine


def test_a_training_outlives_its_station(sample_home: Path, tmp_path: Path, open_page: OpenPage) -> None:
    home = tmp_path / "home"
    shutil.copytree(sample_home, home)
    with serving(home) as station:
        page = open_page(f"{station.url}/train", link=station.new_link())
        page.get_by_label("Task", exact=True).select_option("reach")
        expect(page.get_by_label("Demonstrations")).to_have_value("samples/reach")
        page.get_by_label("A simulated teacher").check()
        page.get_by_label("How much").select_option("tiny")
        page.get_by_label("Questions", exact=True).fill("6")
        page.get_by_label("Rounds", exact=True).fill("2")
        page.get_by_text("The command that this starts").click()
        command = "robo-rlhf run --task reach --dataset samples/reach --annotator simulated"
        command += " --labels 6 --rounds 2 --preset tiny"
        expect(page.get_by_label("The command", exact=True)).to_have_value(command)
        assert findings(page) == []
        for width in (390, 1024, 3840):
            page.set_viewport_size({"width": width, "height": 800})
            assert sticks_out(page) <= 0
        page.get_by_role("button", name="Train").dblclick()  # started once
        row = page.get_by_role("listitem").filter(has_text="reach-1")
        expect(row).to_contain_text("starting")
        expect(page.locator("#runs > li")).to_have_count(1)
        station.process.kill()
        station.process.wait()
    with serving(home) as station:
        page = open_page(f"{station.url}/train", link=station.new_link())
        row = page.get_by_role("listitem").filter(has_text="reach-1")
        expect(row).to_contain_text("finished", timeout=LONG)
        expect(row).to_contain_text("→")
        with page.expect_popup() as opened:
            row.get_by_role("link", name="Report of reach-1").click()
        expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
        row.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Undo").click()
        expect(row).to_contain_text("finished")
