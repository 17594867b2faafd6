"""The start of every helper process: `python -P -m robo_rlhf.processes SOCKET STACK NICE MANNER MODULE:FUNCTION ...`.

SOCKET is a descriptor of one end of a socket pair, whose other end the process that started this one holds; STACK that
of a file for `crash_trace`. The MANNER says how the function is called:

* `answer`: with arguments that come over the connection. It returns what answers a request; each request is answered
  until the connection closes. What must be closed then is registered with `atexit`.
* `talk`: with the connection's `Frames`, which it reads and writes as it likes; it returns the exit code.
* `run`: as a program, with what follows in `sys.argv`; it returns the exit code.

This process ends when the other one does, however that comes: it finds the connection closed, and has a while to
finish. A program is sent SIGTERM then. The niceness is taken on when the function has been imported, and what answers
is made: a start that starves on a busy machine would seem to hang.
"""

import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from robo_rlhf.processes.answers import tried
from robo_rlhf.processes.crash_trace import write_stacks
from robo_rlhf.processes.frames import Frames

LINGER = {"answer": 5.0, "talk": 60.0, "run": 60.0}  # [s] to finish after the connection was closed
_CLOSED = getattr(select, "POLLRDHUP", select.POLLHUP)


def main() -> int:
    """Call the function, and return the exit code."""
    descriptor, stack, nice, manner, target, *arguments = sys.argv[1:]
    write_stacks(int(stack))
    end = socket.socket(fileno=int(descriptor))
    end.set_inheritable(False)
    threading.Thread(target=_end_with_parent, args=(end, manner), name="parent", daemon=True).start()
    module, _, name = target.partition(":")
    sys.argv = [module, *arguments]
    function = getattr(importlib.import_module(module), name)
    if manner == "answer":
        return serve(Frames(end), function, int(nice))
    be_nice(int(nice))
    return int(function(Frames(end)) if manner == "talk" else function())


def serve(frames: Frames, make: Callable[..., Callable[[Any], object]], nice: int) -> int:
    """Answer requests until the connection closes. An answer is a number, and what `tried` gives."""
    with suppress(EOFError, ConnectionError):
        arguments = frames.receive()
        how, answer = tried(lambda: make(*arguments))
        frames.send((0, how, None if how == "done" else answer))
        if how != "done":
            return 1
        be_nice(nice)
        while True:
            number, request = frames.receive()
            frames.send((number, *tried(partial(answer, request))))
    return 0


def be_nice(nice: int) -> None:
    """Lower the priority of all threads of this process to a niceness, where it is not that low already."""
    threads = [0]
    with suppress(OSError):
        threads = [int(thread) for thread in os.listdir("/proc/self/task")]
    for thread in threads if nice else ():
        with suppress(OSError):  # it is lower already, or the thread has just ended
            os.setpriority(os.PRIO_PROCESS, thread, nice)


def _end_with_parent(end: socket.socket, manner: str) -> None:
    """Wait until the other end has closed, and end this process if it does not end by itself."""
    poll = select.poll()
    poll.register(end, _CLOSED)
    poll.poll()
    if manner == "run":
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LINGER[manner])
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
