"""Commands of ours, each in a process of its own, some of them at a time: a map over processes that can be stopped."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.processes.detached import interrupt, kill, last_words, start_detached

LOOK = 0.2  # [s] between two looks at the processes
PATIENCE = 20.0  # [s] that they have to stop in their own time


class CliProcess(NamedTuple):
    """A command to run."""

    name: str
    words: Sequence[str]  # behind `robo-rlhf`
    log: Path  # what it prints


class ProcessResult(NamedTuple):
    """What became of a command."""

    name: str
    why: str  # it failed; empty where it did not


def run_commands(
    commands: Sequence[CliProcess],
    slots: int,
    database: str | None = None,
    is_free: Callable[[CliProcess], bool] = lambda command: True,
    begun: Callable[[str], object] = lambda name: None,
) -> Iterator[ProcessResult]:
    """Run commands in their order, at most `slots` at a time; yield each as it ends.

    Stopped by an exception such as Ctrl-C, the processes are interrupted too, and have 20 s to stop in their own time.

    Args:
        commands: what to run.
        slots: processes at the same time.
        database: address of the feedback database; None where they find it in the data home.
        is_free: whether a command may start; one that may not waits for another process, such as one that an earlier
            call left behind.
        begun: called with the name of each command that starts.

    Raises:
        WorkerDiedError: the system starts no process.
        DiskError, DiskFullError: there is no room for what they print.
    """
    waiting, working = list(commands), dict[str, tuple[CliProcess, subprocess.Popen[bytes]]]()
    try:
        while waiting or working:
            for command in [command for command in waiting if len(working) < slots and is_free(command)]:
                if len(working) == slots:
                    break
                working[command.name] = command, start_detached(command.words, command.log, database)
                waiting.remove(command)
                begun(command.name)
            time.sleep(LOOK)
            for command, process in [pair for pair in working.values() if pair[1].poll() is not None]:
                del working[command.name]
                yield ProcessResult(command.name, _why(command, process))
    finally:
        _stop([process for _, process in working.values()])


def _why(command: CliProcess, process: "subprocess.Popen[bytes]") -> str:
    code = process.returncode
    if code == 0:
        return ""
    ended = f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code}"
    return last_words(command.log) or f"{ended}; what it printed is in {command.log}"


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        interrupt(process.pid)
    until = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            kill(process.pid)
            process.wait()
