"""The parent's handle of one render worker, a separate program that gets requests on stdin and answers on stdout."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from typing import Any, cast

from robo_rlhf.core.errors import RoboRlhfError

PATIENCE = 5.0  # [s] for a worker to end by itself


class RenderWorker:
    """The parent's handle of one worker process; used by one thread, except `interrupt` and `check`."""

    def __init__(self, nice: int) -> None:
        """Set the niceness `nice` of the process; `start` starts it."""
        self.late = False  # whether the last request ran out of time
        self._nice = nice
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._lock = threading.Lock()  # so that `check` never ends a process over the request after the late one

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process if it does not run, shielded from the terminal's Ctrl-C, which only the parent handles."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "robo_rlhf.sim.rendering.worker", str(self._nice)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        return self._process

    def ask(self, request: object, limit: float) -> object:
        """Return the worker's answer, which may take `limit` [s].

        Raises:
            EOFError, OSError, pickle.UnpicklingError: the worker died; with `late`, because it took too long.
            RoboRlhfError: an error of the request.
            RuntimeError: a bug of the program, with the worker's traceback.
        """
        message = pickle.dumps(request, protocol=5)
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            self.late, self._deadline = False, time.monotonic() + limit
        try:
            process.stdin.write(message)
            process.stdin.flush()
            kind, content = pickle.load(process.stdout)
        finally:
            with self._lock:
                self._deadline = None
        if kind == "error":
            raise _rebuilt(*content)
        if kind == "fault":
            raise RuntimeError(f"a render worker failed over {request}:\n{content}")
        return cast(object, content)

    def check(self) -> None:
        """Kill the process where it is late, so that `ask` fails in the thread that waits for it."""
        with self._lock:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.late, self._deadline = True, None
                self.interrupt()

    def interrupt(self) -> None:
        """Kill the process, so that `ask` fails in the thread that waits for it."""
        process = self._process
        if process is not None:
            process.kill()

    def end(self) -> int | None:
        """Let the process end, or kill it after a while; return the code that it ended with by itself."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None


def _environment() -> dict[str, str]:
    """Return the environment variables of a worker, with the module search path of this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _rebuilt(kind: type[RoboRlhfError], message: str, fields: dict[str, Any]) -> RoboRlhfError:
    """Rebuild a project error from the worker, without calling its constructor, which would format it again."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(fields)
    return error
