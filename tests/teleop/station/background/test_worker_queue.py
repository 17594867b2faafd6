import queue
import time
from typing import Any

import pytest

from robo_rlhf.core.errors import WorkerDiedError
from teleop.station.background import worker_queue
from teleop.station.background.worker_queue import WorkerQueue

PATIENCE = 60.0  # [s]


class Echo:
    """Asks the process whatever it is given."""

    def __init__(self) -> None:
        self.heard: queue.Queue[Any] = queue.Queue()
        self.background: WorkerQueue[str] = WorkerQueue("echo", "tests.teleop.station.echoing:start", self.work)

    def work(self, said: str) -> None:
        try:
            self.heard.put(self.background.ask(said))
        except WorkerDiedError as error:
            self.heard.put(error)

    def say(self, said: str) -> Any:
        self.background.put(said)
        return self.heard.get(timeout=PATIENCE)


def test_one_process_answers_until_it_ends_and_then_another_one() -> None:
    echo = Echo()
    first, said = echo.say("a")
    assert said == "a"
    assert echo.say("b") == [first, "b"]
    assert isinstance(echo.say("end"), WorkerDiedError)
    second, said = echo.say("c")
    assert (second != first, said) == (True, "c")
    echo.background.close()
    assert echo.background.closed
    echo.background.put("d")
    with pytest.raises(WorkerDiedError, match="was stopped"):
        echo.background.ask("e")
    assert echo.heard.empty()
    echo.background.close()


def test_after_a_rest_there_is_neither_thread_nor_process_until_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_queue, "REST", 0.05)
    echo = Echo()
    first, _ = echo.say("a")
    until = time.monotonic() + PATIENCE
    while echo.background._thread is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert echo.background.pid is None
    second, _ = echo.say("b")
    assert second != first
    echo.background.close()
