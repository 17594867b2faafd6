"""Helper processes: started alike, asked within a deadline, restarted, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from robo_rlhf.core.errors import NotFoundError, WorkerDiedError
from robo_rlhf.processes import worker as processes
from robo_rlhf.processes.crash_trace import place_in
from robo_rlhf.processes.worker import HelperProcess, WorkerProcess, how_ended
from tests.processes import answering

WAIT = 60.0  # [s] for anything that must not hang
HERE = "tests.processes.answering"


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    with WorkerProcess("trying", f"{HERE}:start", 1, {"two": np.arange(3)}, nice=3) as made:
        yield made


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_one_process_answers_with_its_arguments_at_its_niceness(worker: WorkerProcess) -> None:
    assert worker.pid is None
    one, two = worker.ask("given", WAIT)
    assert one == 1
    np.testing.assert_array_equal(two["two"], np.arange(3))
    assert worker.ask("where", WAIT) == (worker.pid, os.getpid())
    assert worker.ask("nice", WAIT) == {max(3, os.getpriority(os.PRIO_PROCESS, 0))}  # every thread
    pid = worker.pid
    assert pid is not None
    assert worker.end() == 0
    assert gone(pid)
    assert worker.ask("again", WAIT) == "again"


def test_errors_of_ours_come_back_as_they_are_and_bugs_with_their_traceback(worker: WorkerProcess) -> None:
    with pytest.raises(NotFoundError, match=r"^No thing 'x'\. Make it\.$"):
        worker.ask("not found", WAIT)
    with pytest.raises(
        RuntimeError, match=r"process for trying failed over bug:\n(.|\n)*answering\.py(.|\n)*division by"
    ):
        worker.ask("bug", WAIT)
    pid = worker.pid
    assert worker.ask("on", WAIT) == "on"
    assert worker.pid == pid


def test_one_that_dies_is_told_in_a_sentence_and_started_again(worker: WorkerProcess) -> None:
    with pytest.raises(
        WorkerDiedError, match=r"^The worker process for trying ended \(exit code 3\) over: end\. It may"
    ):
        worker.ask("end", WAIT)
    with pytest.raises(WorkerDiedError, match=r"ended 3 times \(exit code 3\)") as caught:
        worker.ask("end", WAIT, tries=2)
    assert not caught.value.late
    (first, _) = worker.ask("where", WAIT)
    os.kill(first, signal.SIGKILL)
    assert worker.ask("on", WAIT, tries=2) == "on"
    assert worker.pid != first


def test_one_that_hangs_is_ended_and_not_asked_again(worker: WorkerProcess) -> None:
    pid, _ = worker.ask("where", WAIT)
    with pytest.raises(
        WorkerDiedError,
        match=r"gave no answer within 0 s \(it was at answering.py, line \d+\) over: sleep\. It was ended",
    ) as caught:
        worker.ask("sleep", 0.2, tries=2)
    assert caught.value.late
    assert gone(pid)
    assert worker.ask("on", WAIT) == "on"


def test_a_deadline_counts_the_time_of_the_process_and_not_of_the_queue_for_a_processor(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.ask("on", WAIT)
    waited = 0.0
    monkeypatch.setattr(HelperProcess, "waited", lambda _: waited)
    worker._looked = 0.0
    worker.send((0.3,))

    def starve() -> None:
        nonlocal waited
        waited = WAIT

    timer = threading.Timer(0.02, starve)
    timer.start()
    assert worker.receive(0.05) is None
    waited = 0.0
    worker._looked = 0.0
    with pytest.raises(WorkerDiedError, match="no answer within 0 s"):
        worker.ask((30.0,), 0.05)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not count it")
def test_the_wait_for_a_processor_is_counted() -> None:
    (cpu, *_) = os.sched_getaffinity(0)
    with WorkerProcess("waiting", f"{HERE}:start") as one, WorkerProcess("working", f"{HERE}:start") as other:
        for worker in (one, other):
            pid, _ = worker.ask("where", WAIT)
            os.sched_setaffinity(pid, {cpu})
        before = one.start().waited()
        for worker in (one, other):
            worker.send((0.5,))
        for worker in (one, other):
            worker.receive(WAIT)
        assert one.start().waited() - before > 0.1


def test_what_cannot_begin_says_why_each_time() -> None:
    with WorkerProcess("trying", f"{HERE}:refuse") as worker:
        for _ in range(2):
            with pytest.raises(NotFoundError, match=r"No policy 'p'\. Train one\."):
                worker.ask("on", WAIT)
            assert worker.pid is None
    with (
        WorkerProcess("trying", f"{HERE}:break_at_the_start") as worker,
        pytest.raises(RuntimeError, match=r"failed over its start:\n(.|\n)*ZeroDivisionError"),
    ):
        worker.ask("on", WAIT)
    with (
        WorkerProcess("trying", "tests.no_such_module:start", "a password", output=subprocess.DEVNULL) as worker,
        pytest.raises(WorkerDiedError, match=r"ended \(exit code 1\) over: its start") as caught,
    ):
        worker.ask("on", WAIT)
    assert "password" not in str(caught.value)  # arguments may hold some; requests are shown


def test_a_start_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START", 0.01)
    monkeypatch.setattr(HelperProcess, "waited", lambda _: 0.0)
    with (
        WorkerProcess("trying", f"{HERE}:start") as worker,
        pytest.raises(WorkerDiedError, match=r"gave no answer within 0 s over: its start"),
    ):
        worker.ask("on", WAIT)


def test_an_answer_that_was_not_received_is_dropped_and_a_torn_one_ends_the_process(worker: WorkerProcess) -> None:
    for number in range(3):
        worker.send(number)
    assert worker.receive(WAIT) == 2
    pid = worker.pid
    worker.start().frames.torn = True  # as where Ctrl-C came in the middle
    assert worker.ask("on", WAIT) == "on"
    assert worker.pid != pid


def test_a_crash_names_file_and_line(worker: WorkerProcess) -> None:
    line = 1 + Path(answering.__file__).read_text().splitlines().index("    ctypes.string_at(0)")
    with pytest.raises(WorkerDiedError) as caught:
        worker.ask("crash", WAIT)
    assert f"ended (killed by signal 11 at answering.py, line {line}) over: crash." in str(caught.value)
    assert "The fault is in that file: robo-rlhf check MODULE:THING tries it." in str(caught.value)
    assert worker.ask("on", WAIT) == "on"


def test_a_stack_without_a_user_s_file_names_none() -> None:
    ours = f'  File "{processes.__file__}", line 3 in x\n  File "<frozen runpy>", line 1 in y\n'.encode()
    other = b'Thread 0x1:\n  File "/home/ann/b.py", line 1 in z\nCurrent thread 0x2:\n'
    assert place_in(ours) == place_in(other + ours) == place_in(b"\xff") == place_in(b"") == ""
    assert place_in(other + ours + b'  File "/home/ann/a.py", line 7 in z\n') == "a.py, line 7"


def test_another_thread_may_stop_it_for_good(worker: WorkerProcess) -> None:
    pid, _ = worker.ask("where", WAIT)
    threading.Timer(0.1, worker.stop).start()
    with pytest.raises(WorkerDiedError, match=r"ended \(killed by signal 9\) over: sleep"):
        worker.ask("sleep", WAIT, tries=2)
    assert gone(pid)
    with pytest.raises(WorkerDiedError, match="was stopped over: its start"):
        worker.ask("on", WAIT)


def test_what_it_prints_goes_to_our_errors(worker: WorkerProcess, capfd: pytest.CaptureFixture[str]) -> None:
    worker.ask("prints", WAIT)
    assert capfd.readouterr() == ("", "to whom?\n")


def test_one_may_talk_as_it_likes_and_end_with_a_code() -> None:
    process = HelperProcess(f"{HERE}:echo", "talk")
    for message in ("a", 2, None):
        process.frames.send(message)
        assert process.frames.receive(WAIT) == message
    process.frames.finish()
    assert process.wait(WAIT) == 7
    assert process.end() == process.code == 7
    assert how_ended(7) == "exit code 7"


def test_a_program_has_arguments_variables_and_a_file_for_its_output(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        variables = {"TESTS_WORD": "word"}
        process = HelperProcess(f"{HERE}:program", "run", "--one", "2", environment=variables, output=log)
    until(lambda: (tmp_path / "log").read_text() == "--one 2 word\n")
    assert process.code is None
    assert process.end() == -signal.SIGTERM
    assert how_ended(process.code) == "killed by signal 15"


def test_one_that_nobody_holds_any_more_ends() -> None:
    worker = WorkerProcess("trying", f"{HERE}:start")
    pid, _ = worker.ask("where", WAIT)
    del worker
    assert gone(pid)


PARENT = """
import os, sys, threading, time
from robo_rlhf.processes.worker import HelperProcess, WorkerProcess
here = "tests.processes.answering"
idle, busy = WorkerProcess("idle", f"{here}:start"), WorkerProcess("busy", f"{here}:start")
pids = [worker.ask("where", 60)[0] for worker in (idle, busy)]
program, talking = HelperProcess(f"{here}:program", "run"), HelperProcess(f"{here}:echo", "talk")
talking.frames.send(1)
talking.frames.receive()
busy.send("sleep")
print(*pids, program.pid, talking.pid, flush=True)
time.sleep(600)
"""


def test_no_process_outlives_a_parent_that_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 4
        parent.kill()
    for pid in pids:
        until(lambda pid=pid: gone(pid))  # type: ignore[misc]
