"""The process of the policy probe: `python -m teleop.policy_probe.worker DESCRIPTOR HOME`, an end of a socket pair.

It answers one request after another, and looks in between the steps of longer ones, so that an arrow never waits for a
future. It ends when the other end of the connection closes.
"""

import contextlib
import os
import socket
import sys
import threading
import traceback
import warnings
from collections import deque
from pathlib import Path

import torch

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.data.layout import DataWarning
from robo_rlhf.policies import POLICIES
from robo_rlhf.rewards import REWARDS
from robo_rlhf.sim.tasks import TASKS
from teleop.ipc.channel import Channel
from teleop.policy_probe.messages import Answered, Asked, Begun, Cancel, Failed, Look, Ready
from teleop.policy_probe.probe import Mind

NICE = 5  # whoever drives a robot comes first


class Inbox:
    """What is still to be answered: looks first, then in the order in which it came."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._work = threading.Condition()
        self._looks: deque[Asked] = deque()
        self._rest: deque[Asked] = deque()
        self._left: set[int] = set()
        self._closed = False

    def hear(self, message: object) -> None:
        """Take a message from the station, in the thread that reads."""
        with self._work:
            if isinstance(message, Asked):
                (self._looks if isinstance(message.request, Look) else self._rest).append(message)
            elif isinstance(message, Cancel):
                self._left.add(message.number)
            self._work.notify()

    def close(self) -> None:
        """Nothing more will come."""
        with self._work:
            self._closed = True
            self._work.notify()

    def take(self) -> Asked | None:
        """Wait for the next request; None when there will be none."""
        with self._work:
            while True:
                self._work.wait_for(lambda: self._looks or self._rest or self._closed)
                if self._closed:
                    return None
                asked = self._looks.popleft() if self._looks else self._rest.popleft()
                if asked.number not in self._left:
                    return asked
                self._left.discard(asked.number)

    def take_look(self) -> Asked | None:
        """Return a look that waits; None where there is none."""
        with self._work:
            while self._looks:
                asked = self._looks.popleft()
                if asked.number not in self._left:
                    return asked
                self._left.discard(asked.number)
            return None

    def left(self, asked: Asked) -> bool:
        """Whether nobody waits for a request any more."""
        with self._work:
            return self._closed or asked.number in self._left

    def done(self, asked: Asked) -> None:
        """Forget that a request was left."""
        with self._work:
            self._left.discard(asked.number)


def main(descriptor: int, home: Path) -> int:
    """Answer until the other end closes."""
    torch.set_num_threads(1)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    warnings.simplefilter("ignore", DataWarning)
    for registry in (TASKS, POLICIES, REWARDS):
        registry.discover()
    inbox = Inbox()
    channel = Channel(socket.socket(fileno=descriptor), inbox.hear, inbox.close)
    mind = Mind(home)
    channel.send(Ready())
    try:
        while (asked := inbox.take()) is not None:
            answer(asked, mind, inbox, channel)
    finally:
        channel.close()
    return 0


def answer(asked: Asked, mind: Mind, inbox: Inbox, channel: Channel) -> None:
    """Answer a request, and in between those that look."""
    channel.send(Begun(asked.number))
    try:
        thinking = mind.think(asked.request)
        while True:
            try:
                next(thinking)
            except StopIteration as end:
                channel.send(Answered(asked.number, end.value))
                return
            while not isinstance(asked.request, Look) and (look := inbox.take_look()) is not None:
                answer(look, mind, inbox, channel)
                channel.send(Begun(asked.number))
            if inbox.left(asked):
                thinking.close()
                return
    except RoboRlhfError as error:
        channel.send(Failed(asked.number, type(error), str(error), dict(error.__dict__)))
    except Exception:
        traceback.print_exc()
        text = f"The program made a mistake over this question: {traceback.format_exc(limit=-1)}"
        channel.send(Failed(asked.number, None, text))
    finally:
        inbox.done(asked)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
