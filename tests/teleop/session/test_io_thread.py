import os
import subprocess
import sys
import threading

import pytest

from teleop.session.io_thread import IOThread, ignore


def test_jobs_are_done_in_order_and_taken_up_by_the_loop() -> None:
    rung, seen = threading.Event(), list[tuple[str, object]]()
    desk = IOThread("desk", rung.set)
    for number in range(20):
        desk.submit(lambda number=number: (number, threading.current_thread().name), lambda r: seen.append(("done", r)))
    assert rung.wait(10)
    assert desk.busy
    desk.finish()
    assert [number for _, (number, _) in seen] == list(range(20))  # type: ignore[misc]
    assert {name for _, (_, name) in seen} == {"desk_0"}  # type: ignore[misc]
    assert not desk.busy


def test_errors_go_where_they_are_waited_for_or_end_the_loop() -> None:
    desk, seen = IOThread("desk", lambda: None), list[Exception]()
    desk.submit(lambda: 1 / 0, ignore, seen.append)
    desk.submit(lambda: 1 / 0, ignore)
    with pytest.raises(ZeroDivisionError):
        desk.finish()
    assert [type(error) for error in seen] == [ZeroDivisionError]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such scheduler")
def test_what_takes_long_is_one_among_others_again() -> None:
    code = (
        "import os; from teleop.ipc.priority import be_eager, be_gentle; be_eager(); be_gentle();"
        "assert os.sched_getscheduler(0) == os.SCHED_OTHER"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
