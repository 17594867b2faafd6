"""The monitor, the quality page, and the online reward model as annotators see it, in Chromium."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from robo_rlhf.accounts.roles import Role
from robo_rlhf.core.files import HOME_VARIABLE
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.store import Store
from tests.browser.conftest import ROOT, OpenPage, Served, serving
from tests.browser.looks import findings, sticks_out
from tests.browser.operating import sign_in
from tests.reviewing import ask, questions_about

LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 844}}
NUMBERS = """() => [...document.querySelectorAll('.chart svg')].flatMap((drawing) => ['middle', 'end'].map(
  (side) => [...drawing.querySelectorAll(`text.${side}:not(.label, .name)`)].map((text) => text.textContent)))"""
LONG = 60_000  # [ms] for a process to learn on a busy machine


def job(home: Path, name: str, *, rounds: int = 2, iterations: int = 12, demos: int = 5) -> Path:
    """Write the folder of a main job at work, as far as the monitor reads it."""
    path = home / "runs" / name
    run = Run(path, {"task": "pick_place", "demos": demos, "annotator": "human"})
    run.event("session")
    (path / "before").mkdir()
    (path / "before" / "result.json").write_text(json.dumps({"success_end": [True] * 30 + [False] * 20}))
    for number in range(1, rounds + 1):
        reward = run.child(f"round-{number}/reward", {})
        bins = [
            {"confidence": 0.6, "accuracy": 0.5, "answers": 20},
            {"confidence": 0.9, "accuracy": 0.9, "answers": 30},
        ]
        held = {"answers": 60, "sided": 50, "accuracy": 0.74, "log_loss": 0.5, "ece": 0.06, "bins": bins}
        reward.log(50, {"loss": 0.5, "held_out_loss": 0.6})
        reward.finish({"held_out": held, "trained": {"answers": 60 * number}})
        tuning = run.child(f"round-{number}/finetune", {})
        rows = []
        for step in range(1, iterations + 1):
            rising = step / iterations
            tuning.log(step, {"reward": rising, "anchor_kl": 0.1 * rising, "entropy": 1.0 - rising})
            row = {"step": step, "episodes": 64, "success": 0.9 - 0.7 * rising, "return": 50.0, "return_std": 4.0}
            rows.append(json.dumps(row))
        (tuning.path / "truth.jsonl").write_text("\n".join(rows) + "\n")
        run.event("gate", round=number, accepted=number == 1, reason="not shown to be worse", episodes=100)
    return path


@pytest.fixture(scope="module")
def station(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("watched") / "home"
    shutil.copytree(sample_home, home)
    job(home, "first")
    questions = questions_about(home, "samples/pick_place", "pairwise", 40, run="asked", overlap=3)
    ask(home, questions)
    with Store(home / "feedback.db") as store:
        for person in ("anna", "ben"):
            for i, question in enumerate(questions[:24]):
                value = {"choice": "AB"[i % 2] if person == "anna" else "A"}
                store.answer(question.id, person, value, key=question.id, response_time=3.0)
    with serving(home) as served:
        yield served


def open_at(station: Served, open_page: OpenPage, path: str, role: Role = "operator", **options: object) -> Page:
    page = sign_in(open_page, station, role, role, **options)
    page.goto(f"{station.url}{path}")
    return page


def test_runs_appear_grow_and_are_laid_over_each_other(station: Served, open_page: OpenPage) -> None:
    page = open_at(station, open_page, "/monitor?run=first", "annotator")
    chart = page.locator("#chart-learned")
    expect(chart.locator(".line")).to_have_count(1)
    expect(page.locator("#chart-calibration")).to_be_visible()
    expect(page.locator(".run-head")).to_contain_text("60 %")
    expect(page.locator(".verdicts")).to_contain_text("refused")
    expect(page.locator("#alerts")).to_contain_text("Alarm in first")
    expect(page.locator("#log-rows")).to_contain_text("gate")
    path = station.home / "runs" / "first" / "round-2" / "finetune"
    Run(path, {}).log(13, {"reward": 4.25, "anchor_kl": 0.2, "entropy": 0.1})
    expect(chart.locator(".readout")).to_contain_text("4.25")
    job(station.home, "second", rounds=1, demos=6)
    box = page.get_by_role("checkbox", name="second")
    box.check()
    expect(chart.locator("svg[role=img] .line")).to_have_count(2)
    assert page.url.endswith("?run=first&run=second")
    page.get_by_text("Difference of the configurations").click()
    expect(page.get_by_role("region", name="Settings").locator("tbody tr")).to_have_text(["demos56"])
    page.keyboard.press("m")
    expect(page.locator("#charts")).to_contain_text("finetune: entropy")
    box.focus()
    page.keyboard.press("o")
    expect(chart.locator("svg[role=img] .line")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("checkbox", name="second")).to_be_checked()
    expect(page.get_by_role("checkbox", name="first")).not_to_be_checked()


def test_a_chart_has_other_axes_is_enlarged_and_notes_are_kept(station: Served, open_page: OpenPage) -> None:
    page = open_at(station, open_page, "/monitor?run=first")
    chart = page.locator("#chart-learned")
    expect(chart.locator(".label").last).to_have_text("iteration")
    words = page.evaluate(NUMBERS)
    assert all(len(set(one)) == len(one) for one in words), "numbers repeat"
    page.keyboard.press("x")
    page.keyboard.press("x")
    expect(chart.locator(".label").last).to_have_text("minutes since the run began")
    page.get_by_label("Axis").select_option("iterations")
    chart.locator("svg[role=img]").scroll_into_view_if_needed()
    box = chart.locator("svg[role=img]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    expect(chart.locator("text.middle").first).not_to_have_text("5")
    page.get_by_role("button", name="Learned reward: show the whole").click()
    expect(chart.get_by_role("button")).to_have_count(0)
    page.get_by_text("first: notes").click()
    page.get_by_label("Notes", exact=True).fill("the camera was dirty")
    page.get_by_role("button", name="Save the notes").click()
    expect(page.locator("#toasts")).to_contain_text("written")
    page.reload()
    page.get_by_text("first: notes").click()
    expect(page.get_by_label("Notes", exact=True)).to_have_value("the camera was dirty")


@pytest.mark.parametrize("path", ["/monitor?run=first", "/quality"])
@pytest.mark.parametrize("look", ["light", pytest.param("dark", marks=pytest.mark.slow), "phone"])
def test_everybody_can_read_it(station: Served, open_page: OpenPage, path: str, look: str) -> None:
    page = open_at(station, open_page, path, **LOOKS[look])
    expect(page.locator(".chart").first).to_be_visible(timeout=LONG)
    assert findings(page) == []
    assert sticks_out(page) <= 0


def test_a_team_sees_how_good_its_answers_are_and_decides_about_them(station: Served, open_page: OpenPage) -> None:
    page = open_at(station, open_page, "/quality")
    rows = page.locator("#people tr")
    expect(rows).to_have_count(2, timeout=LONG)
    expect(page.locator("#figures")).to_contain_text("Krippendorff's alpha, pairwise")
    page.get_by_label("Task", exact=True).select_option("pick_place")
    expect(page.locator("#settings-of")).to_have_text("pick_place")
    page.get_by_label("Overlap", exact=True).fill("4")
    page.get_by_label("Least gold [%]").fill("81")
    page.get_by_label("Overlap also for questions that were asked before").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("40 questions have the new overlap")
    with Store(station.home / "feedback.db") as store:
        sharing = store.tasks.sharing("pick_place")
        assert (sharing.overlap, sharing.least_gold) == (4, 0.81)
        assert store.tasks.sharing().overlap == 1
        assert {question.overlap for question in store.questions("asked")} == {4}


@pytest.mark.slow
def test_reviewers_see_what_the_model_learns_from_them(station: Served, open_page: OpenPage) -> None:
    command = [sys.executable, "-m", "robo_rlhf.cli.main", "train", "reward", "--task", "pick_place", "--run", "live"]
    command += ["--follow", "--home", str(station.home), "--fit.updates", "60", "--fit.batch", "16"]
    environment = {**os.environ, HOME_VARIABLE: str(station.home)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        metrics = station.home / "runs" / "live" / "metrics.jsonl"
        until = time.monotonic() + LONG / 1000
        while not metrics.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        page = open_at(station, open_page, "/review?run=asked", "annotator")
        learned = page.locator("#learned")
        expect(learned).to_contain_text("% from 48 labels", timeout=LONG)
        page.wait_for_function("() => (document.querySelector('.clips.now video')?.currentTime || 0) > 0.05")
        before = page.locator("#workspace").get_attribute("data-question") or ""
        page.keyboard.press("1")
        expect(page.locator("#workspace")).not_to_have_attribute("data-question", before)
        expect(learned).to_contain_text("% from 49 labels", timeout=LONG)
        watched = open_at(station, open_page, "/monitor?run=live")
        expect(watched.locator("#chart-accuracy")).to_be_visible(timeout=LONG)
        expect(watched.get_by_role("listitem").filter(has_text="live")).to_contain_text("at work")
    finally:
        process.terminate()
        process.wait(60)
    expect(watched.get_by_role("listitem").filter(has_text="live")).to_contain_text("stopped", timeout=LONG)
