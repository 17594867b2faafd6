"""Trackers: what a run writes reaches them once, also after a kill; none is loaded unless asked for."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.errors import MissingDependencyError
from robo_rlhf.core.runs import Run
from robo_rlhf.trackers import TRACKERS, base
from robo_rlhf.trackers.base import Tracker, tracking


class Noted(Tracker):
    """Keeps what it receives."""

    name = "noted"
    got: list[Any] = []  # noqa: RUF012

    @classmethod
    def check(cls) -> None:
        pass

    def begin(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.got.append(("begin", folder.name, config["task"]))

    def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        self.got.append((stage, step, dict(metrics)))

    def finish(self, report: Path | None, clips: list[Path], result: Mapping[str, Any]) -> None:
        self.got.append(("finish", report and report.name, [clip.name for clip in clips], result.get("score")))


def worked(folder: Path, rows: range) -> Run:
    run = Run(folder, {"task": "reach"})
    for step in rows:
        run.log(step, {"loss": step / 2})
    return run


def test_each_row_reaches_a_tracker_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRACKERS._items, "noted", Noted)
    monkeypatch.setattr(base, "EVERY", 0.01)
    monkeypatch.setattr(Noted, "got", [])
    folder = tmp_path / "one"
    with tracking("noted", folder):
        run = worked(folder, range(1, 3))
        run.child("clone", {}).log(7, {"loss": 1.0})
    Noted.got.append("killed")
    with tracking("noted", folder):
        run = worked(folder, range(3, 4))
        (folder / "report.html").write_text("<p>")
        run.finish({"score": 0.5})
    one, other = Noted.got[: Noted.got.index("killed")], Noted.got[Noted.got.index("killed") + 1 :]
    assert one[0] == ("begin", "one", "reach")
    assert sorted(map(str, one[1:-1])) == sorted(
        map(str, [("", 1, {"loss": 0.5}), ("", 2, {"loss": 1.0}), ("clone", 7, {"loss": 1.0})])
    )
    assert other[1:] == [("", 3, {"loss": 1.5}), ("finish", "report.html", [], 0.5)]


def test_a_tracker_that_fails_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Noted):
        def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
            raise OSError("no network")

    monkeypatch.setitem(TRACKERS._items, "noted", Broken)
    with tracking("noted", tmp_path / "one"):
        worked(tmp_path / "one", range(1, 3))
    assert "not everything was tracked: no network" in capsys.readouterr().out


def test_a_tracker_that_is_not_installed_is_refused_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"robo-rlhf\[wandb\]"):
        TRACKERS["wandb"].check()


OFFLINE = """
import sys
from pathlib import Path
import numpy as np
from robo_rlhf.core.runs import Run
from robo_rlhf.sim.rendering.video import encode_mp4
from robo_rlhf.trackers import TRACKERS
from robo_rlhf.trackers.base import tracking

folder = Path(sys.argv[1])
TRACKERS["wandb"].check()
with tracking("wandb", folder):
    run = Run(folder, {"task": "reach", "clone": {"updates": 3}})
    run.child("clone", {}).log(4, {"loss": 0.25})
    (folder / "report.html").write_text("<p>the report</p>")
    (folder / "clips/before-after").mkdir(parents=True)
    clip = encode_mp4(np.zeros((4, 32, 32, 3), np.uint8), 10.0)
    (folder / "clips/before-after/pair-1.mp4").write_bytes(clip)
    run.finish({"success": 0.5})
"""


@pytest.mark.slow
def test_wandb_itself_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    command = [sys.executable, "-c", OFFLINE, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not everything" not in done.stdout
    (stored,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    content = stored.read_bytes()
    assert [
        text for text in (b'"reach"', b"clone/step", b"clone/loss", b"0.25", b"success") if text not in content
    ] == []
    assert sorted(path.suffix for path in stored.parent.rglob("media/**/*.*")) == [".html", ".mp4"]


def test_nothing_of_a_tracker_is_imported_unless_asked_for() -> None:
    code = (
        "import sys, robo_rlhf.cli.main, robo_rlhf.cli.run, robo_rlhf.algorithms.bc; assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
