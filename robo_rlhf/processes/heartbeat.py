"""Lock and heartbeat of a run: `alive.json` in its folder lets one process work on it, which renews it continually.

The process writes it every few seconds. Observers such as the station's monitor read from it whether a run is at work,
was stopped, or failed and why. A process that is killed writes nothing more, so its heartbeat grows old. Training
never reads this file.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from robo_rlhf.core.errors import BusyError
from robo_rlhf.core.files import read_if_whole
from robo_rlhf.core.runs import Run
from robo_rlhf.processes.locks import EVERY, Lock, holder_of

FILE = "alive.json"
OLD = 5 * EVERY  # [s] after which a heartbeat has stopped
ADVICE = "stop that one, or name another run (--run)"
DEEP = 2  # folders that a stage of a run lies below it
State = Literal["working", "stopped", "failed"]
STATES: tuple[State, ...] = ("working", "stopped", "failed")
_held: dict[Path, "_Held"] = {}  # by this process


class _Held:
    """A run that this process holds."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self.leaves: Mapping[str, Any] | None = None  # what is left in the file; None: its previous content


class Beat(NamedTuple):
    """The content of a heartbeat."""

    state: State
    time: float  # [s since 1970] of the last beat
    why: str = ""  # it failed

    @property
    def alive(self) -> bool:
        """Whether a process works on the run now."""
        return self.state == "working" and time.time() - self.time < OLD


@contextmanager
def held(path: Path, *, even_finished: bool = False) -> Iterator[None]:
    """Keep other processes from working on the run in a folder, which need not exist yet, or on a stage within it.

    Enter it before anything is read for the run. A folder in which no run was begun is removed again.

    Args:
        path: the folder.
        even_finished: hold it too where it is finished, because there may be more to do; else it is left as it is.

    Raises:
        BusyError: another process works on it; the message says which.
    """
    path = path.absolute()
    if path in _held or ((path / "result.json").exists() and not even_finished):
        yield
        return
    _check_around(path)
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    lock = Lock(path / FILE, f"The run {path.name}", ADVICE)
    lock.take()
    mine = _held[path] = _Held(lock)
    try:
        yield
    finally:
        del _held[path]
        lock.release(mine.leaves)
        if new and not (path / "config.json").exists():
            with suppress(OSError):
                lock.forget()
                for folder in new:
                    folder.rmdir()


@contextmanager
def keep_heartbeat(run: Run) -> Iterator[None]:
    """Hold `run` and keep its heartbeat going; a run that is finished is left as it is.

    The exception that ends the work is recorded and re-raised: Ctrl-C stops a run, any other error is why it failed.

    Raises:
        BusyError: another process works on it; the message says which.
    """
    if run.result() is not None:
        yield
        return
    with held(run.path):
        mine = _held[run.path.absolute()]
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            why = f"{error}" or type(error).__name__
            mine.leaves = {"state": "failed", "why": why}
            run.event("failed", why=why)
            raise
        finally:
            mine.leaves = mine.leaves or {"state": "stopped"}


def worker_on(path: Path) -> str | None:
    """Return in words which process works on the run in a folder; None where none does."""
    return holder_of(path / FILE)


def _check_around(path: Path) -> None:
    """Check that no process works on a run that this one is a stage of, or on a stage of this one.

    Raises:
        BusyError: another process does.
    """
    above = [parent for parent in path.parents[:DEEP] if (parent / "config.json").exists()]
    below = [file.parent for depth in range(1, DEEP + 1) for file in path.glob("*/" * depth + FILE)]
    for other in (*above, *below):
        holder = worker_on(other)
        if holder is not None:
            raise BusyError(f"The run {other.name}, which shares files with {path.name},", f"{holder}; {ADVICE}")


def beat_of(folder: Path) -> Beat | None:
    """Return the heartbeat of the run in a folder; None where it never had one, or it is damaged."""
    found = read_if_whole(folder / FILE)
    when, why = found.get("time"), found.get("why", "")
    state = next((known for known in STATES if known == found.get("state")), None)
    if state is None or not isinstance(when, int | float) or not isinstance(why, str):
        return None
    return Beat(state, float(when), why) if math.isfinite(when) else None
