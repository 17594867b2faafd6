import base64
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.cli.main import parse
from robo_rlhf.cli.run import RunCommand
from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.files import read_json
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.config import preset
from robo_rlhf.pipeline.report import page as report
from robo_rlhf.pipeline.report.before_after import chosen_seeds
from robo_rlhf.pipeline.report.findings import Findings
from robo_rlhf.pipeline.steps.observers import NullObserver
from robo_rlhf.sim.rendering.video import decode_mp4
from tests.browser.conftest import NAMES

CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), "")
PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  const videos = [...document.querySelectorAll("video")];
  document.body.dataset.videos = videos.filter((v) => v.videoWidth > 0 && !v.error).length;
  const charts = [...document.querySelectorAll("svg")];
  document.body.dataset.charts = charts.filter((s) => s.getBoundingClientRect().height > 99).length;
  document.body.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
  document.body.dataset.paper = getComputedStyle(document.body).backgroundColor;
}, 1500));
</script>"""


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return (finished / "report.html").read_text()


def test_the_report_holds_everything_and_fetches_nothing(page: str) -> None:
    for words in ("Success at the end", "Path length [m]", "a simulated teacher: a program", "Spearman", "Round 2"):
        assert words in page
    for title in ("Before and after", "All measures", "Learning", "The learned reward", "Labels", "Make it again"):
        assert f"<h2>{title}</h2>" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "http" not in page
    assert page.count("<video") == 3


def test_the_clips_are_videos_of_both_policies(page: str, tmp_path: Path) -> None:
    for number, encoded in enumerate(re.findall(r"data:video/mp4;base64,([^\"]+)", page)):
        file = tmp_path / f"{number}.mp4"
        file.write_bytes(base64.b64decode(encoded))
        frames, fps = decode_mp4(file)
        assert fps == pytest.approx(20.0)
        assert len(frames) == 61
        assert frames.std() > 10


def test_the_command_in_the_report_asks_for_the_same_job(finished: Path) -> None:
    command = parse("run", shlex.split(Findings.of(finished, finished.parents[1]).command())[2:])
    assert isinstance(command, RunCommand)
    asked = json.loads(json.dumps(dataclasses.asdict(command.config(finished.parents[1]))))
    assert asked == read_json(finished / "config.json", dict)


@pytest.mark.parametrize(
    ("name", "demos"), [("self_imitation", 24), ("sample_efficient", 10), ("no_demonstrations", 0), ("quick", 10)]
)
def test_the_command_names_the_preset_that_comes_nearest(name: str, demos: int, tmp_path: Path) -> None:
    config = preset(name, task="reach", demos=demos, labels=60, rounds=2)
    Run(tmp_path / "runs" / "job", config)
    command = Findings.of(tmp_path / "runs" / "job", tmp_path).command()
    assert f"--preset {name}" in command
    assert "--set" not in command


def test_a_report_that_stands_is_left_alone(finished: Path) -> None:
    stamp = (finished / "report.html").stat().st_mtime_ns
    assert report.write_report(finished, finished.parents[1], NullObserver()) == finished / "report.html"
    assert (finished / "report.html").stat().st_mtime_ns == stamp


def test_time_between_sessions_is_not_work(tmp_path: Path) -> None:
    config = {"rounds": 1, "num_envs": 4}
    run = Run(tmp_path / "job", config)
    lines = [(0, "session"), (60, "begin"), (5000, "session"), (5060, "end")]
    (run.path / "events.jsonl").write_text("".join(json.dumps({"time": t, "event": e}) + "\n" for t, e in lines))
    stage = run.path / "round-1" / "finetune"
    stage.mkdir(parents=True)
    row = {"step": 1, "episodes": 4, "success": 0.5, "return": 1.0, "return_std": 2.0}
    (stage / "truth.jsonl").write_text(json.dumps(row) + "\n")
    (stage / "config.json").write_text("{}")
    (stage / "metrics.jsonl").write_text(json.dumps({"step": 1, "reward": 0.1}) + "\n")
    (stage / "events.jsonl").write_text(json.dumps({"time": 5030, "event": "iteration", "step": 1}) + "\n")
    (found,) = Findings(run.path, tmp_path, config).iterations()
    assert found.minutes == pytest.approx(1.5)
    assert found.return_error == pytest.approx(1.0)


def test_a_machine_that_cannot_draw_still_gets_its_report(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_clips(*_: object) -> None:
        raise MissingDependencyError("OpenGL", "drawing", "Install a driver.")

    monkeypatch.setattr(report, "make_clips", no_clips)
    findings = Findings.of(finished, finished.parents[1])
    page = report.page(findings, report._clips(findings, NullObserver()))
    assert "No clips could be drawn: OpenGL is missing" in page
    assert "<h2>Labels</h2>" in page


def test_the_starts_that_are_shown_follow_the_rule(finished: Path) -> None:
    plain = Findings.of(finished, finished.parents[1]).before
    seeds = tuple(range(8))

    def outcome(*solved: int) -> object:
        return dataclasses.replace(plain, seeds=seeds, success_end=tuple(s in solved for s in seeds))

    assert chosen_seeds(outcome(), outcome()) == [0, 1, 2]  # type: ignore[arg-type]
    assert chosen_seeds(outcome(6), outcome(2, 4, 5, 6)) == [2, 4, 6]  # type: ignore[arg-type]
    assert chosen_seeds(outcome(7), outcome(7)) == [7, 0, 1]  # type: ignore[arg-type]
    assert chosen_seeds(outcome(), outcome(3, 4, 5)) == [3, 4, 5]  # type: ignore[arg-type]


@pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium here; CI must have it")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (400, True)])
def test_chromium_shows_the_report_without_a_complaint(page: str, width: int, dark: bool, tmp_path: Path) -> None:
    assert CHROMIUM, "CI needs Chromium"
    file = tmp_path / "probed.html"
    file.write_text(page.replace("</body>", f"{PROBE}</body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    shown = dict(re.findall(r'data-(\w+)="([^"]*)"', done.stdout[done.stdout.rindex("<body") :].partition(">")[0]))
    assert shown["videos"] == "3"
    assert int(shown["charts"]) >= 7
    assert int(shown["overflow"]) <= 0
    assert (np.mean([int(n) for n in re.findall(r"\d+", shown["paper"])]) < 60) == dark
