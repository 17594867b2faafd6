import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from robo_rlhf.core.errors import BusyError
from robo_rlhf.processes import locks
from robo_rlhf.processes.locks import Lock, holder_of, started, who_i_am
from tests.locking import elsewhere


def lock_at(file: Path) -> Lock:
    return Lock(file, "The run main", "stop that one")


def test_one_holds_it_and_the_next_is_told_who(tmp_path: Path) -> None:
    file = tmp_path / "run" / "alive.json"
    first = lock_at(file)
    first.take()
    sentence = rf"The run main is busy: process {os.getpid()} on .* holds it; stop that one\. Nothing was changed"
    with pytest.raises(BusyError, match=sentence):
        lock_at(file).take()
    first.release({"state": "stopped"})
    assert json.loads(file.read_text())["state"] == "stopped"
    second = lock_at(file)
    second.take()
    assert holder_of(file) is not None
    second.release(None)
    assert json.loads(file.read_text())["state"] == "stopped"


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    file, got, start = tmp_path / "alive.json", [], threading.Barrier(16)
    elsewhere(file, pid=2**22 + 1)  # left by a process that is gone

    def go() -> None:
        start.wait()
        lock = lock_at(file)
        try:
            lock.take()
        except BusyError:
            return
        got.append(lock)

    threads = [threading.Thread(target=go) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].release(None)


def test_a_process_of_this_host_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "alive.json"
    elsewhere(file)
    assert holder_of(file) is not None
    elsewhere(file, started="1")  # another process has its number now
    assert holder_of(file) is None
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    before = started(dead.pid)
    while started(dead.pid):  # a zombie counts as gone: nobody has asked for its exit code yet
        time.sleep(0.01)
    elsewhere(file, pid=dead.pid, started=before)
    assert holder_of(file) is None
    dead.wait()
    lock = lock_at(file)
    lock.take()
    lock.release(None)


@pytest.mark.parametrize("other", [{"host": "elsewhere"}, {"boot": "before"}], ids=["host", "boot"])
def test_a_lock_of_another_host_is_stale_after_a_minute(tmp_path: Path, other: dict[str, str]) -> None:
    file = tmp_path / "alive.json"
    elsewhere(file, **other)
    for age in (0, 59):
        os.utime(file, (time.time() - age,) * 2)
        with pytest.raises(BusyError, match=rf"last heartbeat {age}|last heartbeat {age + 1}"):
            lock_at(file).take()
    os.utime(file, (time.time() - 61,) * 2)
    taken = lock_at(file)
    taken.take()
    found = json.loads(file.read_text())
    assert {name: found[name] for name in who_i_am()} == who_i_am()
    taken.release(None)


def test_who_stood_still_while_it_was_taken_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "EVERY", 0.01)
    file = tmp_path / "alive.json"
    lock = lock_at(file)
    lock.take()
    elsewhere(file, host="elsewhere")
    with pytest.raises(KeyboardInterrupt):
        time.sleep(20)
    with pytest.raises(BusyError, match=r"stood still for so long that process \d+ on elsewhere holds it"):
        lock.release({"state": "stopped"})
    assert json.loads(file.read_text())["host"] == "elsewhere"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "working"}', '{"state": "stopped"}', "\x00" * 40])
def test_a_file_that_makes_no_sense_holds_nothing_for_long(tmp_path: Path, content: str) -> None:
    file = tmp_path / "alive.json"
    file.write_text(content)
    os.utime(file, (0, 0))
    lock = lock_at(file)
    lock.take()
    lock.release(None)
    assert file.read_text() == content
