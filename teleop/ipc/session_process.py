"""SessionProcess: the station's end of a session, which runs as `teleop.session.process_main` in a process of its own.

A process is started without knowing what for, and imports the simulator at once; it waits for `begin`. So one kept in
reserve shows its first picture soon. Closing it, or the end of this process however it comes, closes the open episode:
it is kept, tagged "interrupted".
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from robo_rlhf.processes.worker import HelperProcess, how_ended
from teleop.ipc.channel import Channel
from teleop.ipc.messages import Begin, Do, Input, Notice, Reply, Scene, Tick

PATIENCE = 10.0  # [s] for a process to close its episode and end


@dataclass(frozen=True)
class SessionReady:
    """The process has finished its imports; sent once, before anything else."""


@dataclass(frozen=True)
class Ended:
    """The session is over; the last message, sent exactly once."""

    text: str  # why, and what became of the open episode
    code: int | None = None  # of the process; negative: a signal; None: it had to be killed


SessionMessage = Scene | Tick | Reply | Notice | Ended
OnMessage = Callable[[SessionMessage], None]


class SessionProcess:
    """A process for one session. All methods return at once but `close`, and may be called from any thread."""

    def __init__(self) -> None:
        """Start the process, without waiting for it."""
        self._process = HelperProcess("teleop.session.process_main:main", "talk")
        self.ready = threading.Event()  # set when the process waits for `begin`
        self.ended = threading.Event()  # set when it is over
        self._receiver: OnMessage = _ignore
        self._last: Ended | None = None  # the reason that the process gave itself
        self._channel = Channel(self._process.frames, self._on_message, self._gone, newest_only=Input)

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def begin(self, begin: Begin, receiver: OnMessage) -> None:
        """Start the session; `receiver` gets every message from now on, in the reader thread: it must be quick.

        A `Scene` and a `Tick` follow, or `Ended` where it cannot begin.
        """
        self._receiver = receiver
        if self.ended.is_set():
            receiver(self._last or Ended("The session's process had ended before it began.", self._process.code))
            return
        self._channel.send(begin)

    def send(self, message: Input | Do) -> bool:
        """Send an input; of waiting inputs only the newest is sent. False where the session has ended."""
        return self._channel.send(message)

    def close(self, patience: float = PATIENCE) -> None:
        """End the session: the open episode is closed as aborted, tagged "interrupted". Waits; kills after a while."""
        self._channel.finish()
        if self._process.wait(patience) is None:
            self.kill()
        self._channel.close()
        self._process.end()

    def kill(self) -> None:
        """End the process at once. The journal of its open episode is left to recovery."""
        self._process.kill()

    def _on_message(self, message: object) -> None:
        if isinstance(message, SessionReady):
            self.ready.set()
        elif isinstance(message, Ended):
            self._last = message
        else:
            self._receiver(message)  # type: ignore[arg-type]

    def _gone(self) -> None:
        """Wait for the process, whose end of the connection has closed, and describe how it ended."""
        code = self._process.wait(PATIENCE)
        if code is None:
            self._process.kill_hung()
        self._channel.finish()
        self._last = Ended(self._last.text if self._last else _explain(code, self._process.place), code)
        self.ready.set()
        self.ended.set()
        self._receiver(self._last)


def _ignore(_: SessionMessage) -> None:
    pass


def _explain(code: int | None, place: str) -> str:
    return (
        f"The session's process ended ({how_ended(code, place)}). What was kept is safe; of the open episode at most "
        "half a second is lost, the rest is recovered."
    )
