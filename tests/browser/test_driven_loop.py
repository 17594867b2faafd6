"""Outside environments from keys to a better policy: driven in Chromium, cloned, asked about, taken over from."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from playwright.sync_api import Page

from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from tests.answering import answer_all
from tests.browser.conftest import ROOT, OpenPage, Served, serving
from tests.browser.operating import begin, holding, phase, sign_in, toast, wait_number
from tests.mujoco_versions import META_WORLD, ROBOTICS, add, python_with

pytestmark = pytest.mark.slow
PATIENCE = 120_000  # [ms] with an environment that renders itself, on a busy machine


class Driven(NamedTuple):
    """An environment, the MuJoCo that it runs with where that is another one, and what is installed beside that."""

    env: str
    mujoco: str = ""
    packages: tuple[str, ...] = ()


class Place(NamedTuple):
    """A station that lets operators drive an environment, and the Python of its commands."""

    station: Served
    env: str
    python: str


PUSHER = Driven("Pusher-v5")
OTHERS = (
    Driven("gymnasium_robotics:FetchPickAndPlace-v4", "3.8.1", ROBOTICS),
    Driven("Meta-World/MT1:button-press-v3", "3.3.0", META_WORLD),
)


@pytest.fixture(scope="module", params=(PUSHER, *OTHERS), ids=lambda driven: driven.env)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    driven: Driven = request.param
    folder, python = tmp_path_factory.mktemp("loop"), sys.executable
    if driven.mujoco:
        made = python_with(driven.mujoco, folder / "venv")
        add(made, *driven.packages)
        python = str(made)
    (folder / "home").mkdir()
    with serving(folder / "home", "--env", driven.env, python=python) as served:
        yield Place(served, driven.env, python)


def command(place: Place, *words: str) -> "subprocess.Popen[str]":
    command = [place.python, "-m", "robo_rlhf.cli.main", *words, "--home", str(place.station.home)]
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=around, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def drive_three(page: Page, place: Place) -> None:
    """Drive three episodes by keys, and keep them."""
    begin(page, place.station, place.env, "driven")
    for count, key in enumerate(("KeyW", "KeyA", "KeyR"), 1):
        with holding(page, key):
            phase(page, "running")
            page.wait_for_function("() => parseInt(document.getElementById('steps').textContent) > 12")
        page.keyboard.press("1")
        toast(page, "Marked as success")
        page.keyboard.press("k")
        wait_number(page, "kept", count)
    shown = [Dataset(place.station.home / "driven").load(one) for one in Dataset(place.station.home / "driven").ids()]
    assert [episode.meta.outcome for episode in shown] == ["success"] * 3
    assert all((episode.source == Source.HUMAN).all() and len(episode) > 10 for episode in shown)
    assert all(np.abs(episode.action).max() > 0.9 for episode in shown)
    columns = {int(np.abs(episode.action[:, :3]).sum(axis=0).argmax()) for episode in shown}
    assert len(columns) == 3, "each key moves a column of its own"


def run_with_answers(place: Place) -> None:
    """Clone what was driven and run the loop, questions answered over REST."""
    preset = ("--demos", "3", "--preset", "tiny", "--labels", "4", "--rounds", "1")
    asked = ("--env", place.env, "--dataset", "driven", *preset, "--annotator", "human", "--set", "alarm_questions=0")
    run = command(place, "run", *asked, "--run", "driven-run", "--json")
    answers = answer_all(place.station, run)
    out, said = run.communicate(timeout=60)
    assert run.returncode == 0, said[-2000:]
    assert answers == 4
    found: dict[str, Any] = json.loads(out[out.index("{") :])
    assert found["after"]["episodes"] > 0


def test_three_driven_episodes_go_through_the_loop(open_page: OpenPage, place: Place) -> None:
    page = sign_in(open_page, place.station, "olga", "operator")
    page.set_default_timeout(PATIENCE)
    drive_three(page, place)
    run_with_answers(place)


@pytest.mark.parametrize("place", [PUSHER], indirect=True, ids=lambda driven: driven.env)
def test_its_policy_is_taken_over_from_and_learns_from_it(open_page: OpenPage, place: Place) -> None:
    page, station = sign_in(open_page, place.station, "nina", "operator"), place.station
    page.set_default_timeout(PATIENCE)
    found = sorted((station.home / "runs").rglob("policy.safetensors"))
    if not found:  # this test alone
        drive_three(page, place)
        run_with_answers(place)
        found = sorted((station.home / "runs").rglob("policy.safetensors"))
    begin(page, station, place.env, "takeovers", policy=found[-1].relative_to(station.home).as_posix())
    page.wait_for_selector("#takeover:not([hidden])")
    page.keyboard.press("Enter")
    phase(page, "running")
    page.wait_for_function("() => parseInt(document.getElementById('steps').textContent) > 10")
    with holding(page, "KeyT"), holding(page, "KeyW"):
        page.wait_for_timeout(800)
    page.keyboard.press("1")
    toast(page, "Marked as success")
    page.keyboard.press("k")
    toast(page, "Kept")
    dagger = (
        "train",
        "dagger",
        "--task",
        place.env,
        "--dataset",
        "driven",
        "--corrections",
        "takeovers",
        "--run",
        "better",
    )
    trained = command(place, *dagger, "--clone.policy", "gaussian", "--clone.updates", "10", "--json")
    said = trained.communicate(timeout=120)[1]
    assert trained.returncode == 0, said[-2000:]
    (episode,) = (Dataset(station.home / "takeovers").load(one) for one in Dataset(station.home / "takeovers").ids())
    assert {Source.POLICY, Source.CORRECTION} <= set(episode.source.tolist())
