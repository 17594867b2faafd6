import os
import re
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from robo_rlhf.executor.commands import CliProcess, run_commands
from robo_rlhf.processes.detached import start_detached


def command(tmp_path: Path, name: str, *words: str) -> CliProcess:
    return CliProcess(name, words, tmp_path / "logs" / f"{name}.txt", tmp_path / "runs" / name)


def test_each_command_is_run_and_what_failed_says_why(tmp_path: Path) -> None:
    good = command(tmp_path, "good", "--version")
    bad = command(tmp_path, "bad", "evaluate", "nowhere", "--home", str(tmp_path))
    ended = dict(run_commands([good, bad], 2))
    assert ended["good"] == ""
    assert "nowhere" in ended["bad"]
    assert good.log.read_text().startswith("robo-rlhf ")


def test_no_more_are_at_work_than_there_are_places(tmp_path: Path) -> None:
    commands = [command(tmp_path, str(i), "--version") for i in range(3)]
    for number, ended in enumerate(run_commands(commands, 1), 1):
        assert ended.name == str(number - 1)
        assert [one.log.exists() for one in commands] == [i < number for i in range(3)]


def test_a_command_waits_while_another_process_works_on_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = iter(["process 7", "process 7", None])
    only = command(tmp_path, "only", "--version")
    asked: list[Path] = []
    monkeypatch.setattr("robo_rlhf.executor.commands.worker_on", lambda path: asked.append(path) or next(held))
    ended = list(run_commands([only], 1))
    assert [one.why for one in ended] == [""]
    assert asked == [only.folder] * 3, "it was asked until it was free"


def test_processes_are_stopped_with_what_started_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    long = command(tmp_path, "long", "serve", "--port", "0", "--home", str(home))
    short = command(tmp_path, "short", "--version")
    with closing(run_commands([long, short], 2)) as running:
        assert next(running).name == "short"
        until = time.monotonic() + 60
        while "http" not in long.log.read_text():
            assert time.monotonic() < until, long.log.read_text()
            time.sleep(0.1)
    (port,) = set(re.findall(r"http://127\.0\.0\.1:(\d+)", long.log.read_text()))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), 5)


def test_a_signal_that_ends_a_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started_and_killed(*given: object) -> object:
        process = start_detached(*given)  # type: ignore[arg-type]
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr("robo_rlhf.executor.commands.start_detached", started_and_killed)
    (ended,) = run_commands([command(tmp_path, "killed", "--version")], 1)
    assert "signal 9" in ended.why
