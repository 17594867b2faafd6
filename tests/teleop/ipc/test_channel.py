import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from robo_rlhf.processes.frames import Frames
from teleop.ipc.channel import Channel


class Newest(NamedTuple):
    number: int


class Pair(NamedTuple):
    ours: Channel
    theirs: Channel
    heard: "queue.SimpleQueue[object]"  # by theirs
    gone: threading.Event  # their side was notified that ours has finished
    hold: threading.Event  # clear it, and theirs does not read on


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    heard: queue.SimpleQueue[object] = queue.SimpleQueue()
    gone, hold = threading.Event(), threading.Event()
    hold.set()

    def hear(message: object) -> None:
        hold.wait()
        heard.put(message)

    ours = Channel(Frames(one), heard.put, lambda: None, newest_only=Newest)
    theirs = Channel(Frames(other), hear, gone.set)
    yield Pair(ours, theirs, heard, gone, hold)
    hold.set()
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    sent = [bytes(size) for size in (0, 1, 100, 1_000_000, 3)]
    for message in sent:
        assert pair.ours.send(message)
    assert [pair.heard.get(timeout=10) for _ in sent] == sent


def test_who_sends_never_waits_and_the_newest_wins(pair: Pair) -> None:
    pair.hold.clear()
    began = time.monotonic()
    for number in range(2000):
        pair.ours.send(Newest(number))
        pair.ours.send(bytes(1000))
    pair.ours.send(b"last")
    assert time.monotonic() - began < 2
    pair.hold.set()
    heard = []
    while not heard or heard[-1] != Newest(1999):
        heard.append(pair.heard.get(timeout=10))
    numbers = [message.number for message in heard if isinstance(message, Newest)]
    assert numbers == sorted(numbers)
    assert len(numbers) < 2000
    assert sum(isinstance(message, bytes) for message in heard) == 2001  # of the others none was lost


def test_what_was_sent_before_the_end_arrives(pair: Pair) -> None:
    for number in range(100):
        pair.ours.send(number)
    pair.ours.finish()
    assert not pair.ours.send("too late")
    assert [pair.heard.get(timeout=10) for _ in range(100)] == list(range(100))
    assert pair.gone.wait(10)
    assert pair.theirs.send("still heard")
    assert pair.heard.get(timeout=10) == "still heard"


def test_a_torn_connection_is_told(pair: Pair) -> None:
    pair.ours._frames.break_off()
    assert pair.gone.wait(10)
    deadline = time.monotonic() + 10
    while pair.theirs.send("into the void") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.monotonic() < deadline
