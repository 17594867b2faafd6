"""WorkerProcess: one of our functions in a process of its own, for what may crash, hang, import much or take long.

    drawing = WorkerProcess("drawing", "robo_rlhf.sim.rendering.worker:start", nice=10)
    picture = drawing.ask(request, limit=60.0)

The function is named as "module:function". It is called there with the arguments that it was given here, and returns
what answers requests; see `robo_rlhf.processes.__main__`. `HelperProcess` is a single process, from its start to its
end, for those that talk in another way.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from robo_rlhf.core.errors import WorkerDiedError
from robo_rlhf.processes.answers import content_of
from robo_rlhf.processes.crash_trace import CrashTrace
from robo_rlhf.processes.frames import Frames

START = 180.0  # [s] of its own that a process may take to import what it needs and be ready
PATIENCE = 5.0  # [s] for a process to end by itself
SAMPLE = 0.1  # [s] between two looks at how long a process was made to wait
TIMES = {1: "ended", 2: "ended twice"}

Manner = Literal["answer", "talk", "run"]  # as `robo_rlhf.processes.__main__` explains them


class HelperProcess:
    """One process at the other end of a connection; started at once, and ended with this object or this process.

    It has our module search path, an empty input, our error output for all that it prints, and a session of its own:
    the terminal's Ctrl-C is for this process, which then ends that one. Where this process is killed, it ends too.
    """

    def __init__(
        self,
        target: str,
        manner: Manner,
        *arguments: str,
        nice: int = 0,
        environment: Mapping[str, str] | None = None,
        output: int | IO[bytes] = 2,
    ) -> None:
        """Start it, without waiting for it.

        Args:
            target: "module:function" of ours.
            manner: how it is called.
            arguments: of the command line, for a function that reads them there.
            nice: its niceness once it is ready: it starts as fast as this process would.
            environment: variables in addition to those of this process.
            output: a file, or its descriptor, for what it prints.
        """
        ours, theirs = socket.socketpair()
        self._trace = CrashTrace()
        descriptors = (theirs.fileno(), self._trace.descriptor)
        command = [sys.executable, "-P", "-m", "robo_rlhf.processes", *map(str, descriptors), str(nice), manner, target]
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, *arguments],
                    pass_fds=descriptors,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, "PYTHONPATH": path, **(environment or {})},
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            self._trace.close()
            raise
        self.frames = Frames(ours)
        self._end = weakref.finalize(self, _end, self.frames, self._process, self._trace, os.getpid())

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The code that it ended with, negative for a signal; None while it runs."""
        return self._process.poll()

    def waited(self) -> float:
        """Return how long it has waited for a processor so far [s]; 0 where the system does not say."""
        return _waited(self.pid)

    def wait(self, patience: float) -> int | None:
        """Wait for its end, for at most `patience` [s] of its own time; return its code, None where it still runs."""
        return _wait(self._process, patience)

    @property
    def place(self) -> str:
        """Where it was when a signal ended it, as "my_tasks.py, line 12"; empty where no user's file is known."""
        return self._trace.place

    def kill(self) -> None:
        """End it at once; may be called from any thread."""
        self._process.kill()

    def kill_hung(self) -> None:
        """End it, when `place` knows where it hangs."""
        if self._process.poll() is None:
            self._trace.ask(self.pid)
        self._process.kill()

    def end(self) -> int | None:
        """Close the connection, by which it ends; else it is terminated, then killed. Return its code."""
        self._end()
        return self._process.returncode


def _end(frames: Frames, process: "subprocess.Popen[bytes]", trace: CrashTrace, owner: int) -> None:
    if os.getpid() != owner:  # a fork of this process ends, and the helper is not its child
        return
    frames.close()
    for insist in (process.terminate, process.kill):
        if _wait(process, PATIENCE) is None:
            insist()
    process.wait()
    trace.close()


def _wait(process: "subprocess.Popen[bytes]", patience: float) -> int | None:
    end = time.monotonic() + patience - _waited(process.pid)
    while (left := end + _waited(process.pid) - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(left)
    return process.poll()


def _waited(pid: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def how_ended(code: int | None, place: str = "") -> str:
    """Return how a process ended, in words, from its code and its `place`; None: it had to be killed."""
    how = "it hung" if code is None else f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how} at {place}" if place else how


class WorkerProcess:
    """A process that answers requests, one after another; started with the first, and again after it has ended.

    A deadline counts the process's own time: what it waits for a processor, on a machine with too few, does not count.
    Belongs to one thread, but for `start` and `stop`. A context manager, which ends the process.
    """

    def __init__(
        self,
        what: str,
        target: str,
        *arguments: object,
        nice: int = 0,
        environment: Mapping[str, str] | None = None,
        output: int = 2,
    ) -> None:
        """Start nothing yet.

        Args:
            what: the work, for errors: "drawing".
            target: "module:function"; called with the `arguments`, it returns what answers a request.
            arguments: of the function; they are sent.
            nice: as in `HelperProcess`, and so are `environment` and `output`.
            environment: more variables.
            output: the file descriptor for what it prints.
        """
        self.what = what
        self._arguments = arguments
        self._new = partial(HelperProcess, target, "answer", nice=nice, environment=environment, output=output)
        self._process: HelperProcess | None = None
        self._ready = False  # whether it has said that it is
        self._lock = threading.Lock()  # of starting and stopping
        self._stopped = False
        self._request: object = None  # the last one
        self._sent = 0  # number of the last request
        self._losses = 0  # processes that died since the last answer
        self._waited, self._looked = 0.0, 0.0  # [s] how long the process had waited for a processor, when last seen

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> HelperProcess:
        """Start the process where it does not run, without waiting for it.

        Raises:
            WorkerDiedError: it was stopped, or cannot be started.
        """
        with self._lock:
            if self._stopped:
                raise WorkerDiedError(self.what, "its start", "was stopped")
            if self._process is None:
                try:
                    self._process = self._new()
                    self._process.frames.send(self._arguments, START)
                except OSError as error:
                    how = f"cannot be started ({error.strerror or error})"
                    raise WorkerDiedError(self.what, "its start", how) from None
                self._ready, self._looked = False, 0.0
            return self._process

    def ask(self, request: object, limit: float, *, tries: int = 1) -> Any:
        """Return the answer to a request; raises as `send` and `receive`.

        Where the process dies over it, and not because time is over, another process is asked, `tries` times in all.
        """
        for _ in range(tries - 1):
            try:
                self.send(request)
                return self.receive(limit)
            except WorkerDiedError as error:
                if error.late or self._stopped:
                    raise
        self.send(request)
        return self.receive(limit)

    def send(self, request: object) -> None:
        """Send a request as soon as the process is ready. An answer to an earlier one, if still to come, is dropped.

        Raises:
            WorkerDiedError: the process ended, or was not ready in time.
            RoboRlhfError: what its function raised when it was called.
            RuntimeError: that was a bug; the message holds the traceback.
        """
        if self._process is not None and self._process.frames.torn:
            self.end()
        frames = self.start().frames
        if not self._ready:
            self._request = "its start"
            _, how, content = self._receive(START)
            if how != "done":
                self.end()
            self._content(how, content)
            self._ready, self._looked = True, 0.0
        self._request = request
        self._sent += 1
        self._exchange(lambda: frames.send((self._sent, request), START), START)

    def receive(self, limit: float) -> Any:
        """Return the answer to the last request, for which the process may take `limit` [s].

        Raises:
            WorkerDiedError: the process died over it; with `late`, because it took too long and was ended.
            RoboRlhfError: an error of the request.
            RuntimeError: a bug of the program; the message holds the process's traceback.
        """
        while True:
            number, how, content = self._receive(limit)
            if number == self._sent:
                self._losses = 0
                return self._content(how, content)

    def stop(self) -> None:
        """End the process at once, for good, from any thread; the thread that waits for an answer gets an error."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> int | None:
        """Let the process end, and return its code; another request starts another process."""
        process, self._process = self._process, None
        return process.end() if process is not None else None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        self.end()

    def _receive(self, limit: float) -> Any:
        """Return the next message from the process, for which it has `limit` [s] of its own."""
        process, begun = self._process, time.monotonic()
        assert process is not None
        if begun - self._looked > SAMPLE:
            self._waited, self._looked = process.waited(), begun
        end = begun + limit - self._waited
        return self._exchange(
            lambda: process.frames.receive(limit, lambda: end + process.waited() - time.monotonic()), limit
        )

    def _exchange(self, talk: Callable[[], Any], limit: float) -> Any:
        """Send or receive something; a process that is lost over it is ended."""
        process = self._process
        assert process is not None
        try:
            return talk()
        except TimeoutError:
            self._losses, late = 0, True
            process.kill_hung()
        except (EOFError, OSError):
            self._losses, late = self._losses + 1, False
        code = self.end()
        how = f"{TIMES.get(self._losses, f'ended {self._losses} times')} ({how_ended(code, process.place)})"
        if late:
            where = f" (it was at {process.place})" if process.place else ""
            how = f"gave no answer within {limit:.0f} s{where}"
        raise WorkerDiedError(self.what, str(self._request), how, late=late, place=process.place)

    def _content(self, how: str, content: Any) -> Any:
        """Return an answer, or raise the error that came instead."""
        return content_of(how, content, f"the worker process for {self.what} failed over {self._request}")
