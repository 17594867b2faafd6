"""An outside environment from keys to a better policy: driven in Chromium, cloned, asked about, taken over from."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from robo_rlhf.accounts.people import People
from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from tests.browser.conftest import ROOT, OpenPage, Served, serving
from tests.browser.operating import begin, drive, holding, phase, sign_in, toast, wait_number

pytestmark = pytest.mark.slow
ENV = "Pusher-v5"
PRESET = ("--env", ENV, "--dataset", "driven", "--demos", "3", "--preset", "tiny", "--labels", "4", "--rounds", "1")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("loop") / "home"
    home.mkdir()
    with serving(home, "--env", ENV) as served:
        yield served


def command(home: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "robo_rlhf.cli.main", *words, "--home", str(home)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer_all(page: Page, station: Served, run: "subprocess.Popen[str]") -> int:
    """Answer the questions of a run over the REST API until it ends; return how many there were."""
    people = People(station.home / "feedback.db")
    token, _ = people.tokens.create(people.administrator(), "answers", "annotator")
    people.close()
    given, headers = 0, {"Authorization": f"Bearer {token}"}
    while run.poll() is None:
        asked = page.request.post(f"{station.url}/api/v1/leases", data={"task": ENV}, headers=headers).json()[
            "question"
        ]
        if asked is None:
            time.sleep(0.2)
            continue
        if not given:
            clip = page.request.get(station.url + asked["clips"][0]["address"], headers=headers)
            assert clip.ok, clip.text()
        value = {"choice": "A" if given % 2 else "B"}
        answer = {"question": asked["question"], "lease": asked["lease"], "value": value, "key": f"k{given}"}
        sent = page.request.post(f"{station.url}/api/v1/answers", data=answer, headers=headers)
        assert sent.ok, sent.text()
        given += 1
    return given


def test_three_driven_episodes_go_through_the_loop_and_are_taken_over_from(
    open_page: OpenPage, station: Served
) -> None:
    page = sign_in(open_page, station, "olga", "operator")
    begin(page, station, ENV, "driven")
    for count, key in enumerate(("KeyW", "KeyA", "KeyR"), 1):
        drive(page, key, 1.2)
        page.keyboard.press("1")
        toast(page, "Marked as success")
        page.keyboard.press("k")
        wait_number(page, "kept", count)
    shown = [Dataset(station.home / "driven").load(one) for one in Dataset(station.home / "driven").ids()]
    assert [episode.meta.outcome for episode in shown] == ["success"] * 3
    assert all((episode.source == Source.HUMAN).all() and len(episode) > 10 for episode in shown)
    assert all(np.abs(episode.action).max() > 0.9 for episode in shown)

    run = command(station.home, "run", *PRESET, "--annotator", "human", "--run", "driven-run", "--json")
    answers = answer_all(page, station, run)
    out, said = run.communicate(timeout=60)
    assert run.returncode == 0, said[-2000:]
    assert answers == 4
    found: dict[str, Any] = json.loads(out[out.index("{") :])
    assert found["after"]["episodes"] > 0

    policy = max((station.home / "runs").rglob("policy.safetensors")).relative_to(station.home).as_posix()
    begin(page, station, ENV, "takeovers", policy=policy)
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
    dagger = ("train", "dagger", "--task", ENV, "--dataset", "driven", "--corrections", "takeovers", "--run", "better")
    trained = command(station.home, *dagger, "--clone.policy", "gaussian", "--clone.updates", "10", "--json")
    out, said = trained.communicate(timeout=120)
    assert trained.returncode == 0, said[-2000:]
    (episode,) = (Dataset(station.home / "takeovers").load(one) for one in Dataset(station.home / "takeovers").ids())
    assert {Source.POLICY, Source.CORRECTION} <= set(episode.source.tolist())
