"""Frames: the one form of messages between two of our processes, over a socket pair.

A frame is a head, a pickle, and the memory of large arrays as it is, which neither pickle nor this module copies. Both
ends belong to the same program, so what comes in is trusted.
"""

import pickle
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

_HEAD = struct.Struct("<QI")  # size of the pickle [bytes]; how many arrays follow it
_SIZE = struct.Struct("<Q")  # of an array [bytes]; one for each, between the head and the pickle
LARGE = 16 * 1024  # [bytes] of an array that is not worth a copy; smaller ones are in the pickle


class Frames:
    """One end of a connection; one thread may send while another receives."""

    def __init__(self, end: socket.socket) -> None:
        """Talk over the `end` of a socket pair."""
        self._end = end
        self.torn = False  # whether sending or receiving was stopped in the middle of a frame

    def send(self, message: object, limit: float | None = None) -> None:
        """Send a message, for at most `limit` [s]; what cannot be pickled is said before anything is sent.

        Raises:
            TimeoutError: the other end does not read.
            OSError: it has closed.
        """
        large: list[memoryview] = []
        content = pickle.dumps(message, protocol=5, buffer_callback=lambda buffer: _keep_apart(buffer.raw(), large))
        sizes = b"".join(_SIZE.pack(array.nbytes) for array in large)
        self._wait(limit)
        self.torn = True
        self._end.sendall(_HEAD.pack(len(content), len(large)) + sizes + content)
        for array in large:
            self._end.sendall(array)
        self.torn = False

    def receive(self, limit: float | None = None, more: Callable[[], float] = lambda: 0.0) -> Any:
        """Wait for the next message for `limit` [s], then as long as `more` gives time [s]. Its arrays are writable.

        Raises:
            EOFError: the other end has closed.
            TimeoutError: the time is over.
        """
        self._wait(limit)
        head = self._take(_HEAD.size, more)
        self.torn = True
        size, count = _HEAD.unpack(head)
        sizes = [_SIZE.unpack(self._take(_SIZE.size, more))[0] for _ in range(count)]
        content = self._take(size, more)
        large = [np.empty(size, np.uint8) for size in sizes]
        for array in large:
            self._fill(array.data, more)
        self.torn = False
        return pickle.loads(content, buffers=large)

    def finish(self) -> None:
        """Send nothing more: the other end finds the end of its input after the last message."""
        self._end.shutdown(socket.SHUT_WR)

    def break_off(self) -> None:
        """End the connection both ways, also for a thread that waits for a message."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Break off, and release the socket."""
        self.break_off()
        self._end.close()

    def _take(self, size: int, more: Callable[[], float]) -> bytearray:
        """Return the next `size` bytes."""
        content = bytearray(size)
        self._fill(memoryview(content), more)
        return content

    def _fill(self, rest: memoryview, more: Callable[[], float]) -> None:
        """Receive as many bytes as there is room for."""
        while rest:
            try:
                got = self._end.recv_into(rest)
            except ConnectionError:
                got = 0  # the other end has closed with messages of ours unread
            except TimeoutError:
                if (left := more()) <= 0:
                    raise
                self._wait(left)
                continue
            if not got:
                raise EOFError("the other end of the connection has closed")
            rest = rest[got:]

    def _wait(self, limit: float | None) -> None:
        """Let each call of the system wait for at most `limit` [s]."""
        if self._end.gettimeout() != limit:
            self._end.settimeout(limit if limit is None else max(limit, 1e-3))


def _keep_apart(array: memoryview, large: list[memoryview]) -> bool:
    """Add the memory of a large array to `large`; return whether it is to be in the pickle."""
    if array.nbytes < LARGE:
        return True
    large.append(array)
    return False
