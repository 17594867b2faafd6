"""What answers in the worker processes of these tests."""

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from robo_rlhf.core.errors import NotFoundError
from robo_rlhf.processes.frames import Frames


def start(*given: object) -> Callable[[Any], object]:
    """Return what does what a request names, and sends back any other request."""
    known: dict[object, Callable[[], object]] = {
        "given": lambda: given,
        "where": lambda: (os.getpid(), os.getppid()),
        "nice": lambda: {os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")},
        "end": lambda: os._exit(3),
        "sleep": lambda: time.sleep(60),
        "not found": _not_found,
        "crash": _crash,
        "bug": lambda: 1 / 0,
        "prints": lambda: print("to whom?", flush=True),
    }
    return lambda request: _work(*request) if isinstance(request, tuple) else known.get(request, lambda: request)()


def _not_found() -> None:
    raise NotFoundError("thing", "x", "Make it.")


def _crash() -> None:
    ctypes.string_at(0)


def _work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def refuse() -> Callable[[Any], object]:
    raise NotFoundError("policy", "p", "Train one.")


def break_at_the_start() -> Callable[[Any], object]:
    raise ZeroDivisionError("at the start")


def echo(frames: Frames) -> int:
    """Talk: send everything back, and end with 7 at the end of the input."""
    try:
        while True:
            frames.send(frames.receive())
    except EOFError:
        return 7


def program() -> int:
    """Run: print a line, and work for ever."""
    import sys

    print(" ".join(sys.argv[1:]), os.environ.get("TESTS_WORD"), flush=True)
    time.sleep(600)
    return 0
