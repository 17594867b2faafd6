"""How good the answers are, as it was worked out last; what is newer is worked out by a process of its own."""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

REST = 20.0  # [s] without work after which the process ends
LEAST_AGE, COSTS = 2.0, 5.0  # [s], and times its own cost, that a report is old before it is made anew
_log = logging.getLogger("robo_rlhf.station")


class Chosen(NamedTuple):
    """Which answers are judged."""

    run: str | None
    task: str | None


class Report(NamedTuple):
    """What was worked out."""

    content: dict[str, Any]  # {"error"} where it could not be
    made: float  # [s since 1970]
    seconds: float  # that it took


class QualityBook:
    """Reports by what they are about; safe to use from several threads. Asking never waits."""

    def __init__(self, database: str | Path, mark: Callable[[], int]) -> None:
        """Judge the answers in `database`; `mark` grows with every answer."""
        self._database, self._mark = str(database), mark
        self._known: dict[Chosen, Report] = {}
        self._asked: set[Chosen] = set()
        self._work: queue.Queue[Chosen | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def of(self, chosen: Chosen, *, anew: bool = False) -> dict[str, Any]:
        """Return what is known, and have it worked out where there are newer answers, or where `anew` asks for it.

        Returns:
            "report", None where nothing is known yet; "made" [s since 1970]; "newer", how many answers came since;
            "working", whether it is being worked out.
        """
        mark = self._mark()
        with self._lock:
            known = self._known.get(chosen)
            newer = mark - known.content.get("mark", 0) if known else 0
            age = time.time() - known.made if known else 0.0
            stale = known is None or anew or (newer > 0 and age > max(LEAST_AGE, COSTS * known.seconds))
            if stale and chosen not in self._asked and not self._closed:
                self._asked.add(chosen)
                self._work.put(chosen)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
                    self._thread.start()
            return {
                "report": known.content if known else None,
                "made": known.made if known else 0.0,
                "newer": newer,
                "working": chosen in self._asked,
            }

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            thread, process = self._thread, self._process
        if process is not None:
            process.kill()
        self._work.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        """Work out what is asked for, one after another, until nothing was asked for a while."""
        try:
            while True:
                try:
                    chosen = self._work.get(timeout=REST)
                except queue.Empty:
                    with self._lock:
                        if self._work.empty():
                            self._thread = None
                            return
                    continue
                if chosen is None or self._closed:
                    return
                begun = time.monotonic()
                content = self._ask(chosen)
                with self._lock:
                    self._asked.discard(chosen)
                    self._known[chosen] = Report(content, time.time(), time.monotonic() - begun)
        finally:
            self._end()

    def _ask(self, chosen: Chosen) -> dict[str, Any]:
        asked = {"database": self._database, **chosen._asdict()}
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:
            self._end()
            if not self._closed:
                _log.warning("the process that judges answers ended: %s", error)
            return {"error": "The process that judges answers ended. It is started again with the next look."}
        return found

    def _running(self) -> "subprocess.Popen[str]":
        with self._lock:
            if self._closed:
                raise OSError("the station stops")
            if self._process is None:
                command = [sys.executable, "-m", "teleop.station.quality_work"]
                pipe = subprocess.PIPE
                paths = os.pathsep.join(path for path in sys.path if path)  # it finds modules wherever we do
                environment = {**os.environ, "PYTHONPATH": paths}
                self._process = subprocess.Popen(
                    command, stdin=pipe, stdout=pipe, text=True, start_new_session=True, env=environment
                )
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
