"""Fixtures: a station in a separate process, and real Chromium."""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import Role
from robo_rlhf.core.files import HOME_VARIABLE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "recordings" / "samples"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the first has no windows to draw
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PATIENCE = 60.0  # [s] for the station to answer on a busy machine
FIRST = 300.0  # [s] for it to start there
expect.set_options(timeout=15_000)  # [ms] for what a page is to show, on a busy machine


@dataclass(frozen=True)
class Served:
    """A station that runs."""

    url: str  # without a slash at the end
    home: Path
    link: str  # signs in as administrator, once
    process: "subprocess.Popen[str]"

    def new_link(self, name: str = "", role: Role = "administrator") -> str:
        """Return a link that signs in a user, who is added if missing."""
        people = People(self.home / "feedback.db")
        try:
            known = {person.name: person for person in people.list()}
            person = known.get(name) or (people.add(name, role) if name else people.administrator())
            return f"{self.url}/enter#{people.sessions.link(person)}"
        finally:
            people.close()

    def end_sessions(self) -> None:
        """End the sessions that go on, as a signal ends them: each would step its simulation until the station ends."""
        for process in self.children("teleop.session.process_main"):
            os.kill(process, signal.SIGTERM)

    def children(self, module: str) -> list[int]:
        """Return the ids of the station's helper processes that run a module."""
        found = []
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):  # it has just ended
                for process in thread.read_text().split():
                    if module in Path(f"/proc/{process}/cmdline").read_text():
                        found.append(int(process))
        return found


@contextmanager
def serving(home: Path, *options: str, lean: bool = True, python: str = sys.executable) -> Iterator[Served]:
    """Run a station over the data home `home`; most tests never ask it for what it would keep ready."""
    command = [python, "-m", "robo_rlhf.cli.main", "serve", "--no-open", "--port", "0", "--home", str(home)]
    command += ["--lean"] if lean else []
    environment = {**os.environ, HOME_VARIABLE: str(home), "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    process = subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_end_with_us if sys.platform.startswith("linux") else None,
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], FIRST)[0], f"the station said nothing for {FIRST:.0f} s"
        line = process.stdout.readline()
        assert line.startswith("Station: http://"), line
        link = line.split()[1]
        url = link.partition("/enter")[0]
        _wait_for(url)
        yield Served(url, home, link, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _end_with_us() -> None:
    """Have the kernel end the station when the tests are killed: it would keep processors and pipes for ever."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/sign-in", timeout=PATIENCE):
                return
        except OSError:
            assert time.monotonic() < until, f"no station at {url}"
            time.sleep(0.05)


@pytest.fixture(scope="package")  # no longer: while Playwright runs, other tests could not run an event loop
def browser() -> Iterator[Browser]:
    """Chromium; it is a failure, not a skip, where there is none."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path is not None, "no Chromium: make test installs it (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with a few sample episodes of two tasks; a module that changes it copies it first."""
    home = tmp_path_factory.mktemp("station") / "home"
    for task, count in (("pick_place", 6), ("reach", 4)):
        folder = home / "samples" / task
        (folder / "episodes").mkdir(parents=True)
        shutil.copy(SAMPLES / task / "dataset.json", folder)
        for episode in sorted((SAMPLES / task / "episodes").iterdir())[:count]:
            shutil.copy(episode, folder / "episodes")
    return home


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A station over a copy of the sample home, one for the tests of a module."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(sample_home, home)
    with serving(home) as served:
        yield served


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Return a function that opens an address in a browser of its own cookies: `open_page(url, dark=True, width=390)`.

    With the `link` of a person it is signed in before, without the pages that one would come by.
    At the end the test fails where a page has thrown an error, or the content security policy kept something away.
    """
    contexts, problems = [], []

    def open_one(
        url: str, *, link: str = "", dark: bool = False, width: int = 1280, height: int = 800, **options: object
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        if link:
            origin, _, token = link.partition("/enter#")
            entered = context.request.post(f"{origin}/enter", data={"token": token}, headers={"origin": origin})
            assert entered.ok, entered.text()
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture(autouse=True)
def _no_session_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    station = request.node.funcargs.get("station")
    if isinstance(station, Served):
        station.end_sessions()


@pytest.fixture
def page(open_page: OpenPage, station: Served) -> Page:
    """A page of the station at its home, signed in as administrator."""
    return open_page(f"{station.url}/", link=station.new_link())
