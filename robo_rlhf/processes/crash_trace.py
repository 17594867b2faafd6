"""Where a process was when a signal ended it, or when it was ended because it hung: in whose file, and on which line.

The process has Python's `faulthandler` write its stack into a file in memory, which the process that started it reads.
A process that was killed outright (SIGKILL, as by a lack of memory) cannot say.
"""

import faulthandler
import os
import re
import signal
import sysconfig
import tempfile
import time
from pathlib import Path

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_CURRENT = "Current thread "
_ROOT = Path(__file__).resolve().parents[2]
_OTHERS = [str(_ROOT / name) for name in ("robo_rlhf", "teleop", "sim_assets")]  # folders that hold no user's code
_OTHERS += [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
_LONGEST = 64 * 1024  # [bytes] of a stack that are read
_SOON = 0.5  # [s] for a process that hangs to write its stack


class CrashTrace:
    """The file, in the process that reads it."""

    def __init__(self) -> None:
        """Make it; the other process inherits `descriptor`."""
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("stack")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())
        self._place: str | None = None

    def ask(self, pid: int) -> None:
        """Have a process that hangs write its stack, and wait a moment for it."""
        os.kill(pid, signal.SIGUSR1)
        end = time.monotonic() + _SOON
        while not os.fstat(self.descriptor).st_size and time.monotonic() < end:
            time.sleep(0.01)

    @property
    def place(self) -> str:
        """The innermost line of a user's own code, as "my_tasks.py, line 12"; empty where none is known."""
        return place_in(os.pread(self.descriptor, _LONGEST, 0)) if self._place is None else self._place

    def close(self) -> None:
        """Keep the place, and let the file go."""
        if self._place is None:
            self._place = self.place
            os.close(self.descriptor)


def write_stacks(descriptor: int) -> None:
    """Have this process write its stack to a file when a signal ends it, or when it is asked."""
    os.set_inheritable(descriptor, False)
    faulthandler.enable(file=descriptor)
    faulthandler.register(signal.SIGUSR1, file=descriptor)


def place_in(stack: bytes) -> str:
    """Return the innermost line of a user's own code in what `faulthandler` wrote; empty where there is none."""
    text = stack.decode(errors="replace")
    frames = _FRAME.findall(text[max(text.find(_CURRENT), 0) :])
    own = [(file, line) for file, line in frames if not file.startswith(("<", *_OTHERS))]
    return f"{Path(own[0][0]).name}, line {own[0][1]}" if own else ""
