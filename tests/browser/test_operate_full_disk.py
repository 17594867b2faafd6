"""A disk that fills during a recording, as the page shows it: a small real file system that is mounted here."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.recovery import RECOVERED
from tests.browser.conftest import OpenPage, Served, serving
from tests.browser.operating import begin, drive, holding, number, phase, sign_in, toast, wait_number
from tests.data.making import SmallDisk

SIZE = 160  # [MB]: more than what a station keeps free


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """A disk of its own; where none can be mounted that is a failure in CI, which may."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        message = "mounting a small disk needs root, and leave to mount"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def station(disk: SmallDisk) -> Iterator[Served]:
    with serving(disk.folder / "home") as served:
        yield served


def only(home: Path, dataset: str) -> int:
    """Return the length of the one episode of a dataset, which no recovery had to save."""
    (info,) = Dataset(home / dataset).list()
    assert RECOVERED not in info.meta.tags
    return info.length


def test_a_disk_that_fills_is_told_and_nothing_is_lost(open_page: OpenPage, station: Served, disk: SmallDisk) -> None:
    page = sign_in(open_page, station, "ana")
    begin(page, station, dataset="full")
    drive(page, "KeyR", 0.7)
    disk.fill()
    with holding(page, "KeyF"):
        expect(page.locator("#overlay-text")).to_contain_text("Nothing is lost. Make room, and it continues by itself.")
        expect(page.locator("#source")).to_contain_text("holding")
        steps = number(page, "steps")
        page.wait_for_timeout(300)
        assert number(page, "steps") == steps
    disk.free()
    with holding(page, "KeyF"):
        page.wait_for_function("(n) => parseInt(document.getElementById('steps').textContent) > n + 3", arg=steps)
    expect(page.locator("#overlay")).to_be_hidden()
    disk.fill()
    expect(page.locator("#overlay-text")).to_contain_text("full")
    steps = number(page, "steps")
    page.keyboard.press("KeyK")
    expect(page.locator("#overlay-text")).to_contain_text("full")  # it waits for room
    assert number(page, "kept") == 0
    disk.free()
    toast(page, "Kept")
    wait_number(page, "kept", 1)
    phase(page, "ready")
    expect(page.locator("#overlay-text")).not_to_contain_text("full")
    drive(page, "KeyR", 0.3)
    page.keyboard.press("KeyX")
    wait_number(page, "discarded", 1)
    assert only(station.home, "full") == steps
