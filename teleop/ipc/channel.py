"""A connection of two processes with separate threads for reading and writing, for messages both ways at any time.

`send` only queues a message, so the sender never waits for the other end. Of the kind of message that is only
worth its newest (a tick, an input) one that was not written yet gives way to the next; all others arrive, in order.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable

from robo_rlhf.processes.frames import Frames


class Channel:
    """One end of a connection; both ends belong to the same program, so what comes in is trusted."""

    def __init__(
        self,
        frames: Frames,
        on_message: Callable[[object], None],
        gone: Callable[[], None],
        newest_only: type | None = None,
    ) -> None:
        """Start to read and to write.

        Args:
            frames: an end of the connection.
            on_message: gets every message, in the reader thread; it must be quick.
            gone: called once, in that thread, when either end has closed.
            newest_only: the kind of message to send of which only the newest counts.
        """
        self._frames, self._on_message, self._gone, self._newest_only = frames, on_message, gone, newest_only
        self._work = threading.Condition()
        self._queue: deque[object] = deque()
        self._newest: object | None = None
        self._closed = False
        self._threads = [
            threading.Thread(target=target, name=f"channel {target.__name__}", daemon=True)
            for target in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, message: object) -> bool:
        """Queue `message`, without waiting; return False where the connection is closed."""
        with self._work:
            if self._closed:
                return False
            if self._newest_only is not None and isinstance(message, self._newest_only):
                self._newest = message
            else:
                self._queue.append(message)
            self._work.notify()
        return True

    def finish(self) -> None:
        """Send nothing more: the other end is notified after the last message; its messages are still received."""
        with self._work:
            self._closed = True
            self._work.notify()

    def close(self, patience: float = 1.0) -> None:
        """Write the queued messages, for at most `patience` [s], then close the connection."""
        self.finish()
        self._threads[1].join(patience)
        self._frames.break_off()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._frames.close()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._next()) is not None:
                self._frames.send(message)
            self._frames.finish()
        self.finish()

    def _next(self) -> object | None:
        """Wait for the next message to write; None when there will be none."""
        with self._work:
            self._work.wait_for(lambda: self._queue or self._newest is not None or self._closed)
            if self._queue:
                return self._queue.popleft()
            message, self._newest = self._newest, None
            return message

    def _read(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                self._on_message(self._frames.receive())
        self._gone()
