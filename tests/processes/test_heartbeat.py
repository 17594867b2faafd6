import json
import os
import threading
from pathlib import Path

import pytest

from robo_rlhf.core.runs import Run
from robo_rlhf.processes import heartbeat
from robo_rlhf.processes.heartbeat import beat_of, keep_heartbeat


def test_a_run_at_work_is_alive_and_one_that_ended_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.01)
    run = Run(tmp_path / "run", {})
    assert beat_of(run.path) is None
    with keep_heartbeat(run):
        until = threading.Event()
        for _ in range(500):
            beat = beat_of(run.path)
            if beat is not None:
                break
            until.wait(0.01)
        assert beat is not None
        assert beat.alive
        assert json.loads((run.path / "alive.json").read_text())["pid"] == os.getpid()
    ended = beat_of(run.path)
    assert ended is not None
    assert (ended.state, ended.alive) == ("stopped", False)


def test_a_heartbeat_that_has_grown_old_has_stopped(tmp_path: Path) -> None:
    assert not heartbeat.Beat("working", 0.0).alive
    (tmp_path / "alive.json").write_text("{")
    assert beat_of(tmp_path) is None


def test_why_a_run_failed_is_written_down(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    with pytest.raises(ValueError, match="no such thing"), keep_heartbeat(run):
        raise ValueError("no such thing")
    beat = beat_of(run.path)
    assert beat is not None
    assert (beat.state, beat.why) == ("failed", "no such thing")
    assert run.events()[-1]["event"] == "failed"
    with pytest.raises(KeyboardInterrupt), keep_heartbeat(run):
        raise KeyboardInterrupt
    beat = beat_of(run.path)
    assert beat is not None
    assert beat.state == "stopped"


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    run.finish({})
    before = sorted((path, path.stat().st_mtime_ns) for path in run.path.rglob("*"))
    with keep_heartbeat(run):
        pass
    assert before == sorted((path, path.stat().st_mtime_ns) for path in run.path.rglob("*"))
