"""A separate process for long work: a thread sends it one job after another, and ends it when idle."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

REST = 20.0  # [s] without work after which thread and process end
PATIENCE = 5.0  # [s] for the process to end by itself
Work = TypeVar("Work")


class EndedError(Exception):
    """The process ended, or cannot be started."""


class WorkerQueue(Generic[Work]):
    """A queue of jobs, its thread, and the worker process; safe to use from several threads.

    The process is `python -m MODULE`: it answers each line of JSON on its input by one on its output. Both are started
    with the first piece of work.
    """

    def __init__(self, name: str, module: str, do: Callable[[Work], None]) -> None:
        """Call `do` with each piece of work, in a thread of this `name`; there it may `ask` the process."""
        self._name, self._module, self._do = name, module, do
        self._work: queue.Queue[Work | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self.closed = False

    def put(self, work: Work) -> None:
        """Queue a job; after `close` none is run any more."""
        with self._lock:
            self._work.put(work)
            if self._thread is None and not self.closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def ask(self, question: Any) -> Any:
        """Return the process's answer; called by the worker thread.

        Raises:
            EndedError: it ended; the next question starts it again.
        """
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:
            with self._lock:
                ended, self._process = self._process, None
            _end(ended)
            raise EndedError(str(error)) from error

    def close(self) -> None:
        """End the process, whatever it does, and the thread."""
        with self._lock:
            self.closed = True
            thread, process = self._thread, self._process
        if process is not None:
            process.kill()
        self._work.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        """Run the jobs, one after another, until there was none for a while."""
        ended = None
        try:
            while not self.closed:
                try:
                    work = self._work.get(timeout=REST)
                except queue.Empty:
                    with self._lock:
                        if self._work.empty():
                            ended = self._let_go()
                            return
                    continue
                if work is not None and not self.closed:
                    self._do(work)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    ended = self._let_go()
            _end(ended)

    def _let_go(self) -> "subprocess.Popen[str] | None":
        """Let the next job start a new thread and process; return the process that there was."""
        process, self._process, self._thread = self._process, None, None
        return process

    def _running(self) -> "subprocess.Popen[str]":
        with self._lock:
            if self.closed:
                raise OSError("the station stops")
            if self._process is None:
                pipe = subprocess.PIPE
                paths = os.pathsep.join(path for path in sys.path if path)  # it finds the same modules
                self._process = subprocess.Popen(
                    [sys.executable, "-m", self._module],
                    stdin=pipe,
                    stdout=pipe,
                    text=True,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": paths},
                )
            return self._process


def _end(process: "subprocess.Popen[str] | None") -> None:
    """Close the pipes of a process, by which it ends."""
    if process is None:
        return
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
