"""Episodes that need no person: a device that knows what to do records them, each to its own end, paced or not.

The session is that of a person, the same state machine over the same world, but for three things: episodes are begun by
the caller, end by themselves, and follow one another only when the disk holds the one before.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from robo_rlhf.core.types import Outcome
from robo_rlhf.data.dataset import Dataset
from teleop.devices import Device
from teleop.ipc.messages import Begin
from teleop.session.episodes import DISK_FULL_RETRY
from teleop.session.io_thread import ignore
from teleop.session.pacing import Pacer
from teleop.session.state_machine import SessionMachine
from teleop.worlds.opening import World, conditions_of


class RecordedSummary(NamedTuple):
    """An episode that is over."""

    id: str
    seed: int
    outcome: Outcome
    steps: int


class UnattendedSession:
    """A session of a device that no person holds. A context manager: at its end, an open episode is interrupted."""

    def __init__(
        self,
        env: World,
        device: Device,
        dataset: Dataset,
        *,
        operator: str = "",
        tags: tuple[str, ...] = (),
        pace: bool = True,
        on_trouble: Callable[[str], None] = ignore,
    ) -> None:
        """Drive copy 0 of `env`, which has one, by `device`, opened already.

        Args:
            env: the world.
            device: what drives.
            dataset: where episodes go.
            operator: stored with every episode.
            tags: given to every episode.
            pace: whether to keep the task's control rate; else as fast as possible.
            on_trouble: called once with the reason why the disk cannot take more; the session waits until it can.
        """
        folder = dataset.path
        begin = Begin(
            folder.parent,
            folder.name,
            env.name,
            operator,
            tags=tags,
            device=device.name,
            conditions=conditions_of(env),
        )
        self.clock = Pacer(env.control_dt, pace=pace)
        self._bell = threading.Event()  # the disk has done something
        self.machine = SessionMachine(begin, env, dataset, device, self.clock.period, ignore, self._bell.set)
        self._on_trouble = on_trouble

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close an episode that is still open as aborted, and wait until the disk holds everything."""
        self.machine.close()

    def record(self, seed: int) -> RecordedSummary:
        """Record one episode from `seed`, until the task is done or has taken too long, or the device says `keep`.

        Raises:
            NonFiniteError: the simulation broke down.
        """
        machine = self.machine
        machine.reset_to(seed)
        self._wait_until(machine.world.begin)
        machine.run()
        self.clock.restart()
        while machine.phase == "running":
            self._wait_until(lambda: not machine.trouble)
            self.clock.wait()
            operator_input = machine.driver.read()
            machine.tick(operator_input)
            if "keep" in operator_input.buttons:
                machine.pause()
        steps, episode = machine.world.steps, machine.take_episode()
        closed = episode.closed()
        machine.episode_log.keep(episode, ignore)
        self._wait_until(lambda: not machine.episode_log.io.busy)
        return RecordedSummary(closed.id, seed, closed.outcome, steps)

    def _wait_until(self, met: Callable[[], bool]) -> None:
        """Wait for the disk, which may be full; the world stands still meanwhile."""
        reported = ""
        while not met():
            if self.machine.trouble not in ("", reported):
                reported = self.machine.trouble
                self._on_trouble(reported)
            self._bell.wait(DISK_FULL_RETRY)
            self._bell.clear()
            self.machine.deliver()
            self.clock.restart()
