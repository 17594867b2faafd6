"""The facts of all episodes: worked out by a process of its own when statistics ask for them, and written down."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from robo_rlhf.errors import NotFoundError
from robo_rlhf.files import write_atomic
from teleop.station.entry import Entry, Key, Signature

REST = 20.0  # [s] without work after which the process ends
WASTE = 2.0  # times more lines than facts at which the file is written anew

Facts = dict[str, Any]  # see `facts.facts_of`


class Known(NamedTuple):
    """What is known of some episodes."""

    facts: dict[Key, Facts]
    missing: int  # episodes whose facts are being worked out


class FactBook:
    """Facts by episode, for as long as its file is the same; safe to use from several threads."""

    def __init__(self, file: Path, path_of: Callable[[Key], Path]) -> None:
        """Remember facts in `file`; `path_of` says where the file of an episode is."""
        self.file, self._path_of = file, path_of
        self._facts: dict[Key, tuple[Signature, Facts]] | None = None
        self._asked: set[tuple[Key, Signature]] = set()
        self._work: queue.Queue[tuple[Key, Signature] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def of(self, entries: Iterable[Entry]) -> Known:
        """Return what is known of the entries, and have the rest worked out."""
        with self._lock:
            book = self._read()
            found, missing = {}, 0
            for entry in entries:
                signature, facts = book.get(entry.key, (None, {}))
                if signature == entry.signature:
                    found[entry.key] = facts
                    continue
                missing += 1
                if (entry.key, entry.signature) not in self._asked:
                    self._asked.add((entry.key, entry.signature))
                    self._work.put((entry.key, entry.signature))
            if missing and self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="facts", daemon=True)
                self._thread.start()
        return Known(found, missing)

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

    def _read(self) -> dict[Key, tuple[Signature, Facts]]:
        """Return the book; from the file on first use. What cannot be read of it is worked out again."""
        if self._facts is not None:
            return self._facts
        self._facts, lines = {}, 0
        with suppress(OSError), self.file.open() as file:
            for line in file:
                lines += 1
                with suppress(ValueError, TypeError):
                    dataset, episode, signature, facts = json.loads(line)
                    self._facts[Key(dataset, episode)] = tuple(signature), dict(facts)
        if lines > WASTE * len(self._facts) + 100:
            content = "".join(_line(key, *row) for key, row in self._facts.items())
            with suppress(OSError):
                write_atomic(self.file, content.encode())
        return self._facts

    def _run(self) -> None:
        """Work out what is asked for, one after another, until nothing was asked for a while."""
        try:
            while True:
                try:
                    work = self._work.get(timeout=REST)
                except queue.Empty:
                    with self._lock:
                        if self._work.empty():
                            self._thread = None
                            return
                    continue
                if work is None or self._closed:
                    return
                self._note(*work, self._ask(work[0]))
        finally:
            self._end()
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _note(self, key: Key, signature: Signature, facts: Facts) -> None:
        with self._lock:
            self._asked.discard((key, signature))
            self._read()[key] = signature, facts
            with suppress(OSError):  # it is worked out again after the next start
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("a") as file:
                    file.write(_line(key, signature, facts))

    def _ask(self, key: Key) -> Facts:
        """Return the facts of an episode; with an `error`, where there are none."""
        try:
            path = self._path_of(key)
            source, sink = self._pipes()
            sink.write(json.dumps(str(path)) + "\n")
            sink.flush()
            facts: Facts = json.loads(source.readline())
        except NotFoundError as error:
            return {"error": str(error)}
        except (OSError, ValueError) as error:
            self._end()
            return {"error": f"the process that reads episodes ended ({error})"}
        return facts

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        with self._lock:
            if self._closed:
                raise OSError("the station stops")
            if self._process is None:
                command = [sys.executable, "-m", "teleop.station.facts"]
                pipe = subprocess.PIPE
                paths = os.pathsep.join(path for path in sys.path if path)  # it finds modules wherever we do
                environment = {**os.environ, "PYTHONPATH": paths}
                self._process = subprocess.Popen(
                    command, stdin=pipe, stdout=pipe, text=True, start_new_session=True, env=environment
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            return self._process.stdout, self._process.stdin

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


def _line(key: Key, signature: Signature, facts: Facts) -> str:
    return json.dumps([key.dataset, key.episode, signature, facts]) + "\n"
