"""A live session that a test steps tick by tick, without waiting."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from robo_rlhf.core.types import Array, Episode
from robo_rlhf.data.dataset import Dataset
from teleop.ipc.messages import Begin, Do, Input, Notice, Reply, Status, Tick
from teleop.session.loop import LiveSession

PATIENCE = 20.0  # [s] for anything that is waited for


class Seat:
    """An operator's seat: says things to a session and remembers what it tells."""

    def __init__(self, home: Path, task: str = "reach", *, pace: bool = False, **begin: Any) -> None:
        self.home, self.heard = home, list[Any]()
        self._numbers = itertools.count(1)
        self.fence = 1
        fields = {"dataset": task, "operator": "Ada", "seed": 5, **begin}
        self.session = LiveSession(Begin(home=home, task=task, **fields), self.heard.append, pace=pace)
        self.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()

    @property
    def status(self) -> Status:
        """What a page would show now."""
        self.session.show()
        status: Status = self.of(Tick)[-1].status
        return status

    @property
    def state(self) -> Array:
        self.session.show()
        state: Array = self.of(Tick)[-1].state
        return state

    @property
    def dataset(self) -> Dataset:
        return self.session.machine.world.dataset

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.heard if isinstance(message, kind)]

    def notices(self) -> list[str]:
        return [notice.text for notice in self.of(Notice)]

    def say(self, x: float = 0.0, *, gripper: float = -1.0, **fields: Any) -> bool:
        """Send an input."""
        number = next(self._numbers)
        twist = (x, 0.0, 0.0, 0.0, 0.0, 0.0)
        known = {"fence": self.fence, "sequence": number, "at": float(number), "twist": twist, **fields}
        return self.session.receive_input(Input(type="input", gripper=gripper, **known))

    def move(self, ticks: int = 1, x: float = 0.5, **fields: Any) -> None:
        """Hold a key for some ticks."""
        for _ in range(ticks):
            self.say(x, **fields)
            self.session.tick()
            if self.session.machine.busy:  # at the robot's pace a branch is made before the next tick
                self.settle()

    def let_go(self, ticks: int = 1, **fields: Any) -> None:
        """Hold nothing for some ticks."""
        self.move(ticks, 0.0, idle=True, **fields)

    def ask(self, act: Any, value: Any = None) -> Reply:
        """Do something and return the answer, without a control step meanwhile."""
        number = next(self._numbers)
        self.session.request(Do(type="do", fence=self.fence, id=number, act=act, value=value))
        self.until(lambda: any(reply.id == number for reply in self.of(Reply)))
        (reply,) = (reply for reply in self.of(Reply) if reply.id == number)
        assert isinstance(reply, Reply)
        self.settle()
        return reply

    def must(self, act: Any, value: Any = None) -> Reply:
        reply = self.ask(act, value)
        assert reply.ok, reply.text
        return reply

    def record(self, steps: int = 5, **move: Any) -> None:
        """Begin an episode and take some steps."""
        self.let_go()
        self.move(steps, **move)

    def settle(self) -> None:
        """Wait until nothing is under way at the desks."""
        play = self.session.machine
        self.until(lambda: not (play.episode_log.io.busy or play.journals.busy or play.fetcher.busy))

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            self.session.deliver()
            self.session.show()
            if met():
                return
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.001)

    def only(self) -> Episode:
        """Return the one episode that was recorded."""
        (episode_id,) = self.dataset.ids()
        return self.dataset.load(episode_id)


def same_frames(one: Episode, other: Episode, frames: int) -> bool:
    """Whether two episodes begin with the same frames, and the steps between them, bit for bit."""
    pairs = [(getattr(one, n)[:frames], getattr(other, n)[:frames]) for n in ("obs", "state", "success")]
    pairs += [(getattr(one, n)[: frames - 1], getattr(other, n)[: frames - 1]) for n in ("action", "reward", "source")]
    pairs += [(one.signals[n][: frames - 1], other.signals[n][: frames - 1]) for n in one.signals]
    return all(np.array_equal(a, b) for a, b in pairs)
