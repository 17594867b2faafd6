"""An operator at a session in a separate process."""

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from teleop.ipc.messages import Begin, Do, Input, Reply, Status, Tick
from teleop.ipc.session_process import Ended, SessionMessage, SessionProcess

PATIENCE = 30.0  # [s] for anything that is waited for


class Remote:
    """Says things to a session's process and remembers what was heard, and when [s] monotonic."""

    def __init__(self, home: Path, task: str = "reach", **begin: Any) -> None:
        self.heard: list[tuple[float, SessionMessage]] = []
        self._numbers = itertools.count(1)
        self._more = threading.Condition()
        self.process = SessionProcess()
        fields = {"dataset": task, "operator": "Ada", "seed": 5, **begin}
        self.process.begin(Begin(home=home, task=task, **fields), self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close()

    def _hear(self, message: SessionMessage) -> None:
        with self._more:
            self.heard.append((time.monotonic(), message))
            self._more.notify_all()

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in list(self.heard) if isinstance(message, kind)]

    @property
    def status(self) -> Status:
        status: Status = self.of(Tick)[-1].status
        return status

    def until(self, met: Callable[[], bool]) -> None:
        with self._more:
            assert self._more.wait_for(met, PATIENCE), "waited in vain"

    def say(self, x: float = 0.5, **fields: Any) -> int:
        number = next(self._numbers)
        known = {"fence": 1, "sequence": number, "at": float(number), "gripper": -1.0, **fields}
        self.process.send(Input(type="input", twist=(x, 0, 0, 0, 0, 0), **known))
        return number

    def hold(self, seconds: float) -> None:
        """Hold a key, as the page does: a message every 50 ms, the last one says that it was let go."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.say()
            time.sleep(0.05)
        self.say(0.0, idle=True)

    def begin(self) -> None:
        self.until(lambda: bool(self.of(Tick)))
        self.say()
        self.until(lambda: self.status.phase == "running")

    def ask(self, act: Any, value: Any = None) -> Reply:
        number = next(self._numbers)
        self.process.send(Do(type="do", fence=1, id=number, act=act, value=value))
        self.until(lambda: any(reply.id == number for reply in self.of(Reply)))
        (reply,) = (reply for reply in self.of(Reply) if reply.id == number)
        assert isinstance(reply, Reply)
        return reply

    def ended(self) -> Ended:
        self.until(lambda: bool(self.of(Ended)))
        (ended,) = self.of(Ended)
        assert isinstance(ended, Ended)
        return ended
