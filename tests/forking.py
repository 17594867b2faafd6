"""A command in a process that is forked from this one: it can be killed, and need not import everything anew."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from robo_rlhf.cli.main import main

PATIENCE = 300.0  # [s] for it to end


class Forked:
    """A process that does something, and what it writes to its standard error."""

    def __init__(self, work: Callable[[], object], folder: Path) -> None:
        """Start it; its standard error goes into a file of `folder`, its standard output nowhere."""
        folder.mkdir(parents=True, exist_ok=True)
        self._errors = folder / f"stderr-{len(list(folder.glob('stderr-*')))}"
        self._process = multiprocessing.get_context("fork").Process(target=_work, args=(work, self._errors))
        self._process.start()

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def errors(self) -> str:
        """Return what it has written to its standard error."""
        return self._errors.read_text() if self._errors.exists() else ""

    def end(self, with_signal: int | None = None) -> tuple[int, str]:
        """End it by a signal, or let it end; return its exit code and what it wrote to its standard error."""
        if with_signal is not None:
            os.kill(self._process.pid or 0, with_signal)
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode, self.errors()


def forked(arguments: Sequence[str], folder: Path) -> Forked:
    """Start a command of robo-rlhf."""
    return Forked(lambda: main(list(arguments)), folder)


def _work(work: Callable[[], object], errors: Path) -> None:
    os.environ["COLUMNS"] = "200"
    with open(os.devnull, "r+") as nothing, errors.open("w", buffering=1) as file:
        for number, stream in ((0, nothing), (1, nothing), (2, file)):
            os.dup2(stream.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = nothing, nothing, file
        code = work()
        sys.exit(code if isinstance(code, int) else 0)
