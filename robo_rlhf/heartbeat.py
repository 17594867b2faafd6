"""The heartbeat of a run: while a process works on it, `alive.json` in its folder says so every few seconds.

Whoever looks on, such as the station's monitor, tells from it whether a run is at work, was stopped, or failed and why.
A process that is killed writes nothing more, so its heartbeat grows old. Nothing is ever learned from this file.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from robo_rlhf.runs import Run

FILE = "alive.json"
EVERY = 4.0  # [s] between beats
OLD = 5 * EVERY  # [s] after which a heartbeat has stopped
State = Literal["working", "stopped", "failed"]


class Beat(NamedTuple):
    """What a heartbeat says."""

    state: State
    time: float  # [s since 1970] of the last beat
    why: str = ""  # it failed

    @property
    def alive(self) -> bool:
        """Whether somebody works on the run now."""
        return self.state == "working" and time.time() - self.time < OLD


@contextmanager
def at_work(run: Run) -> Iterator[None]:
    """Keep the heartbeat of `run` going; a run that is finished is left as it is.

    What ends the work is written down and passed on: Ctrl-C stops a run, any other error is why it failed.
    """
    if run.result() is not None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(run.path, ended), name="heartbeat", daemon=True)
    state, why = "stopped", ""
    thread.start()
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        state, why = "failed", f"{error}" or type(error).__name__
        run.event("failed", why=why)
        raise
    finally:
        ended.set()
        thread.join()
        _write(run.path, state, why)


def beat_of(folder: Path) -> Beat | None:
    """Return the heartbeat of the run in a folder; None where it never had one."""
    try:
        found = json.loads((folder / FILE).read_text())
        return Beat(found["state"], float(found["time"]), str(found.get("why", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _beat(folder: Path, ended: threading.Event) -> None:
    while True:
        _write(folder, "working", "")
        if ended.wait(EVERY):
            return


def _write(folder: Path, state: str, why: str) -> None:
    """Replace the file. It need not survive a power cut, and a full disk does not end the work."""
    content = {"state": state, "time": time.time(), "host": socket.gethostname(), "pid": os.getpid()}
    partial = folder / f".{FILE}.{os.getpid()}.partial"
    with suppress(OSError):
        partial.write_text(json.dumps(content | ({"why": why} if why else {})) + "\n")
        os.replace(partial, folder / FILE)
