"""The process of a session, a helper process that talks with the one that started it.

It imports the simulator, says that it is ready, and waits for a `Begin`. The session ends, its open episode closed as
interrupted, when the other end of the connection closes or a signal asks for it. See `teleop.ipc.session_process`.
"""

import gc
import queue
import signal
import sys
import traceback
import warnings
from types import FrameType

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.data.layout import DataWarning
from robo_rlhf.processes.frames import Frames
from robo_rlhf.sim.tasks import TASKS
from teleop.devices import DEVICES
from teleop.ipc.channel import Channel
from teleop.ipc.messages import Begin, Do, Input, Tick
from teleop.ipc.priority import be_eager
from teleop.ipc.session_process import Ended, SessionReady
from teleop.session.loop import LiveSession

SWITCH = 5e-4  # [s] that another thread of this process may keep the loop waiting
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Mailbox:
    """The receiver of messages: the session, once there is one."""

    def __init__(self) -> None:
        """Wait for a `Begin`."""
        self.begin: queue.SimpleQueue[Begin | None] = queue.SimpleQueue()  # None: nothing more will come
        self.session: LiveSession | None = None
        self._early: list[object] = []  # what came before there was a session

    def receive(self, message: object) -> None:
        """Take a message from the station."""
        if isinstance(message, Begin):
            self.begin.put(message)
        elif self.session is None:
            self._early.append(message)
        elif isinstance(message, Input):
            self.session.receive_input(message)
        elif isinstance(message, Do):
            self.session.request(message)

    def serve(self, session: LiveSession) -> None:
        """Pass messages to `session` from now on."""
        self.session = session
        while self._early:
            self.receive(self._early.pop(0))

    def end(self, *_: int | FrameType | None) -> None:
        """End the session, or the wait for one: the station is gone, or a signal came."""
        self.begin.put(None)
        if self.session is not None:
            self.session.stop()


def main(frames: Frames) -> int:
    """Run one session over the connection and return the exit code."""
    be_eager()  # before there are other threads
    sys.setswitchinterval(SWITCH)
    warnings.simplefilter("ignore", DataWarning)  # the session tells of them itself
    TASKS.discover()
    DEVICES.discover()
    post = Mailbox()
    for number in SIGNALS:
        signal.signal(number, post.end)
    channel = Channel(frames, post.receive, post.end, newest_only=Tick)
    channel.send(SessionReady())
    begin = post.begin.get()
    try:
        return 0 if begin is None else run(begin, channel, post)
    finally:
        channel.close()


def run(begin: Begin, channel: Channel, post: Mailbox) -> int:
    """Run the session until it receives the end; send the station the reason, where it ends by itself."""
    try:
        session = LiveSession(begin, channel.send)
        gc.collect()
        gc.freeze()  # what is there by now stays; to look through it again and again would delay ticks
        post.serve(session)
        if not post.begin.empty():  # the end came while the session was being made
            session.stop()
        session.run()
    except RoboRlhfError as error:
        channel.send(Ended(str(error)))
        return error.exit_code
    except Exception:
        traceback.print_exc()
        kept = "What was kept is safe, and so is the open episode, whole or to be recovered."
        channel.send(Ended(f"The session met a fault of the program: {traceback.format_exc(limit=-1)} {kept}"))
        return 1
    channel.send(Ended("The session was ended; its open episode is kept, tagged as interrupted."))
    return 0
