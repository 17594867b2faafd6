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
from teleop.policy_probe.messages import (
    ActionQuery,
    Cancel,
    ProbeReady,
    QueryDone,
    QueryFailed,
    QueryStarted,
    QueuedQuery,
)
from teleop.policy_probe.probe import PolicyProbe

NICE = 5  # sessions that drive a robot come first


class Inbox:
    """The queue of requests: views first, then in order of arrival."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._work = threading.Condition()
        self._action_queries: deque[QueuedQuery] = deque()
        self._rest: deque[QueuedQuery] = deque()
        self._left: set[int] = set()
        self._closed = False

    def receive(self, message: object) -> None:
        """Take a message from the station, in the thread that reads."""
        with self._work:
            if isinstance(message, QueuedQuery):
                (self._action_queries if isinstance(message.request, ActionQuery) else self._rest).append(message)
            elif isinstance(message, Cancel):
                self._left.add(message.number)
            self._work.notify()

    def close(self) -> None:
        """Nothing more will come."""
        with self._work:
            self._closed = True
            self._work.notify()

    def take(self) -> QueuedQuery | None:
        """Wait for the next request; None when there will be none."""
        with self._work:
            while True:
                self._work.wait_for(lambda: self._action_queries or self._rest or self._closed)
                if self._closed:
                    return None
                asked = self._action_queries.popleft() if self._action_queries else self._rest.popleft()
                if asked.number not in self._left:
                    return asked
                self._left.discard(asked.number)

    def take_action_query(self) -> QueuedQuery | None:
        """Return a look that waits; None where there is none."""
        with self._work:
            while self._action_queries:
                asked = self._action_queries.popleft()
                if asked.number not in self._left:
                    return asked
                self._left.discard(asked.number)
            return None

    def left(self, asked: QueuedQuery) -> bool:
        """Whether no caller waits for a request any more."""
        with self._work:
            return self._closed or asked.number in self._left

    def done(self, asked: QueuedQuery) -> None:
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
    channel = Channel(socket.socket(fileno=descriptor), inbox.receive, inbox.close)
    probe = PolicyProbe(home)
    channel.send(ProbeReady())
    try:
        while (asked := inbox.take()) is not None:
            answer(asked, probe, inbox, channel)
    finally:
        channel.close()
    return 0


def answer(asked: QueuedQuery, probe: PolicyProbe, inbox: Inbox, channel: Channel) -> None:
    """Answer a request, and in between those that look."""
    channel.send(QueryStarted(asked.number))
    try:
        thinking = probe.answer(asked.request)
        while True:
            try:
                next(thinking)
            except StopIteration as end:
                channel.send(QueryDone(asked.number, end.value))
                return
            while not isinstance(asked.request, ActionQuery) and (look := inbox.take_action_query()) is not None:
                answer(look, probe, inbox, channel)
                channel.send(QueryStarted(asked.number))
            if inbox.left(asked):
                thinking.close()
                return
    except RoboRlhfError as error:
        channel.send(QueryFailed(asked.number, type(error), str(error), dict(error.__dict__)))
    except Exception:
        traceback.print_exc()
        text = f"The program made a mistake over this question: {traceback.format_exc(limit=-1)}"
        channel.send(QueryFailed(asked.number, None, text))
    finally:
        inbox.done(asked)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
