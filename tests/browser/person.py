"""A simulated person at the operate page: it presses keys in Chromium and records pick_place until enough succeed.

    python -m tests.browser.person --episodes 20 --out recordings/samples/pick_place_browser

What it knows of the world is 200 ms old, the reaction time of a practised person. From the page it reads what stands
there (phase, seed, gripper, success, steps). Where hand, cube and bin are, which a person sees in the pictures, it
takes from the journal of the open episode, and before the first step from the seed. What its own keys have done since
then it predicts with the simulator, as a person does from practice. It decides as the scripted operator of the task
does, but has only keys: full speed, slow (Shift), or nothing, along the axes of the front view.
"""

import argparse
import math
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.types import Array
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.recording.stream import read_journal
from robo_rlhf.sim.envs.task_env import TaskEnv
from robo_rlhf.sim.tasks import TASKS
from tests.browser.conftest import OPTIONS, Served, serving
from tests.browser.operating import begin, phase

TASK, NAME = "pick_place", "person at keys"
REACTION = 0.2  # [s] that what is seen is old
LOOK = 0.05  # [s] between two decisions
SLOW, BEGINS = 0.3, 0.45  # shares of full speed: with Shift, and of a key that was just pressed
FINE, WORTH = 0.3, 0.07  # command below which Shift is held, and below which no key is worth pressing
SURE = 0.5  # [s] that success is watched before the episode is kept
ENOUGH = 192  # steps after which an attempt is given up: 1.6 times what the task is meant to take
REGRIP = 0.4  # [s] between two presses of the gripper's key
LEVEL = 19  # of zstd: these files are written once
AXES = (("KeyW", "KeyS"), ("KeyA", "KeyD"), ("KeyR", "KeyF"), ("KeyQ", "KeyE"))  # ahead, left, up, turn: + and -


class Person:
    """Looks at one page, with its hands on the keyboard."""

    def __init__(self, page: Page, folder: Path) -> None:
        """Sit down in front of a session that records into the dataset at `folder`."""
        self.page, self.folder = page, folder
        self.env = TaskEnv(TASKS[TASK](), 1, nthread=1)
        self.held: dict[str, float] = {}  # key → since when [s]
        self.azimuth = math.radians(self._azimuth())
        self._gripped = 0.0

    def record(self) -> bool:
        """Record one episode and keep it where it succeeds; return whether it did."""
        phase(self.page, "ready")
        time.sleep(REACTION)
        seed = int(self.page.inner_text("#seed"))
        self.env.reset(np.array([seed]))
        start = self.env.get_state()[0]
        succeeded: float | None = None
        while True:
            shown = self._read()
            now = time.time()
            if shown["success"] == "success":
                succeeded = succeeded or now
                if now - succeeded > SURE:
                    return self._end("KeyK", "kept")
            else:
                succeeded = None
            if int(shown["steps"]) > ENOUGH:
                return self._end("KeyX", "discarded")
            self._imagine(start)
            self._press(self.env.task.demonstrate(self.env.sim)[0], shown["gripper"])
            time.sleep(max(0.0, LOOK - (time.time() - now)))

    def _read(self) -> dict[str, str]:
        """Return what stands on the page."""
        names = ["steps", "success", "gripper", "kept", "discarded"]
        script = "(names) => Object.fromEntries(names.map((n) => [n, document.getElementById(n).textContent]))"
        found: dict[str, str] = self.page.evaluate(script, names)
        return found

    def _azimuth(self) -> float:
        """Return the heading of the front view [deg], which a person learns by driving."""
        from robo_rlhf.sim.rendering.scene_cameras import task_cameras

        return task_cameras(TASK)["front"].azimuth

    def _imagine(self, start: Array) -> None:
        """Put the world as it should be by now: what was seen, and what the own keys have done since."""
        journals = sorted((self.folder / "journal").glob("*.arrows"), key=lambda path: path.stat().st_mtime)
        try:
            columns = read_journal(journals[-1], journals[-1].read_bytes()).columns if journals else {}
        except (CorruptFileError, FileNotFoundError):
            columns = {}  # its first piece is being written
        now = time.time()
        dt = self.env.control_dt
        if not columns or not len(columns["action"]):
            self.env.set_state(start[None])
            return
        seen = int(np.searchsorted(columns["wall_time"], now - REACTION, side="right"))
        self.env.set_state(columns["state"][seen][None])
        for action in columns["action"][seen:]:
            self.env.step(action[None])
        since = now - float(columns["wall_time"][-1])
        for _ in range(min(round(since / dt), 8)):
            self.env.step(self._commanded(float(columns["action"][-1][-1]))[None])

    def _commanded(self, gripper: float) -> Array:
        """Return the action (5,) that the keys that are held mean."""
        slow = SLOW if "ShiftLeft" in self.held else 1.0
        ahead, left, up, turn = (slow * (float(plus in self.held) - float(minus in self.held)) for plus, minus in AXES)
        cos, sin = math.cos(self.azimuth), math.sin(self.azimuth)
        action = np.array([ahead * cos - left * sin, ahead * sin + left * cos, up, turn, gripper], np.float32)
        return np.clip(action, -1, 1)

    def _press(self, wanted: Array, gripper: str) -> None:
        """Press the keys that come nearest to an action (5,)."""
        x, y, up, turn, grip = (float(value) for value in wanted)
        cos, sin = math.cos(self.azimuth), math.sin(self.azimuth)
        along = (x * cos + y * sin, -x * sin + y * cos, up, turn)
        slow = max(abs(value) for value in along[:3]) < FINE
        keys = {"ShiftLeft"} if slow else set()
        for (plus, minus), value in zip(AXES, along, strict=True):
            if abs(value) > (WORTH if slow else FINE * 0.7):
                keys.add(plus if value > 0 else minus)
        for key in list(self.held):
            if key not in keys:
                self.page.keyboard.up(key)
                del self.held[key]
        for key in keys - set(self.held):
            self.page.keyboard.down(key)
            self.held[key] = time.time()
        if (grip > 0) != (gripper == "closed") and time.time() - self._gripped > REGRIP:
            self.page.keyboard.press("Space")
            self._gripped = time.time()

    def _end(self, key: str, counter: str) -> bool:
        """Let go of everything and end the episode; return whether it was kept."""
        for held in list(self.held):
            self.page.keyboard.up(held)
        self.held.clear()
        before = int(self._read()[counter])
        self.page.keyboard.press(key)
        reads = "([place, before]) => parseInt(document.getElementById(place).textContent) > before"
        self.page.wait_for_function(reads, arg=[counter, before])
        if counter == "discarded":
            self.page.keyboard.press("Digit4")  # another seed
        return counter == "kept"


def record(page: Page, served: Served, episodes: int, dataset: str, seed: int, limit: float = math.inf) -> int:
    """Record until `episodes` were kept or `limit` [s] has passed; return how many were."""
    begin(page, served, task=TASK, dataset=dataset, seed=seed)
    person = Person(page, served.home / dataset)
    begun, kept = time.monotonic(), 0
    while kept < episodes and time.monotonic() - begun < limit:
        kept += person.record()
        print(f"{kept} kept after {time.monotonic() - begun:.0f} s")
    return kept


def main() -> None:
    """Record, and write what was kept into a dataset of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=3_100_000)
    parser.add_argument("--out", type=Path, default=Path("recordings/samples/pick_place_browser"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as served, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(served.new_link(NAME, "operator"))
        page.wait_for_url(f"{served.url}/")
        record(page, served, options.episodes, "raw", options.seed)
        browser.close()
        raw = Dataset(served.home / "raw")
        new = Dataset(Path(folder) / "new", create=True, task=TASK)
        for info in raw.list(outcome="success"):
            episode = raw.load(info.meta.id)
            meta = replace(episode.meta, id=f"{TASK}-browser-{episode.meta.seed}", tags=("sample",))
            new.add(replace(episode, meta=meta), raw.timing(info.meta.id), level=LEVEL)
        shutil.rmtree(options.out, ignore_errors=True)
        shutil.copytree(new.path, options.out)
    print(f"{options.out}: {len(Dataset(options.out))} episodes")


if __name__ == "__main__":
    main()
