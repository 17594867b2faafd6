"""Commands of ours that work on runs, each in a process of its own, some of them at a time: a map that can be stopped.

The processes are of this machine, or of the nodes of a cluster, which share the folders of the runs. A node that is
lost takes its processes with it, and the commands that they were at continue on others.
"""

import pickle
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from robo_rlhf.core.errors import ClusterError
from robo_rlhf.core.files import DATABASE_VARIABLE, make_folder, sqlite_file
from robo_rlhf.executor.cluster import Cluster
from robo_rlhf.processes.detached import NICE, interrupt, kill, last_words, start_detached
from robo_rlhf.processes.heartbeat import worker_on
from robo_rlhf.processes.locks import who_i_am
from robo_rlhf.processes.worker import HelperProcess

LOOK = 0.2  # [s] between two looks at the processes
PATIENCE = 20.0  # [s] that they have to stop in their own time


class CliProcess(NamedTuple):
    """A command to run."""

    name: str
    words: Sequence[str]  # behind `robo-rlhf`
    log: Path  # what it prints
    folder: Path  # of the run that it works on; it waits while another process does, such as one that was left behind


class ProcessResult(NamedTuple):
    """What became of a command."""

    name: str
    why: str  # it failed; empty where it did not


def run_commands(
    commands: Sequence[CliProcess],
    slots: int,
    database: str | None = None,
) -> Iterator[ProcessResult]:
    """Run commands in their order, at most `slots` at a time; yield each as it ends.

    Stopped by an exception such as Ctrl-C, the processes are interrupted too, and have 20 s to stop in their own time.

    Args:
        commands: what to run.
        slots: processes at the same time.
        database: address of the feedback database; None where they find it in the data home.

    Raises:
        WorkerDiedError: the system starts no process.
        DiskError, DiskFullError: there is no room for what they print.
    """
    waiting, working = list(commands), dict[str, tuple[CliProcess, subprocess.Popen[bytes]]]()
    try:
        while waiting or working:
            for command in [command for command in waiting if len(working) < slots and not worker_on(command.folder)]:
                if len(working) == slots:
                    break
                working[command.name] = command, start_detached(command.words, command.log, database)
                waiting.remove(command)
            time.sleep(LOOK)
            for command, process in [pair for pair in working.values() if pair[1].poll() is not None]:
                del working[command.name]
                yield ProcessResult(command.name, _why(command, process.returncode))
    finally:
        _stop([process for _, process in working.values()])


def run_on_cluster(
    cluster: Cluster, commands: Sequence[CliProcess], slots: int, database: str | None, home: Path
) -> Iterator[ProcessResult]:
    """Run commands as `run_commands` does, on the nodes of a cluster, each with one processor of one of them.

    Raises:
        ClusterError: a node does not see the data home, or they are several machines and SQLite would hold what people
            say; or as `Cluster.result`.
    """
    here = (str(home), who_i_am()["boot"])
    seen = [pickle.loads(found) for found in cluster.on_each(f"{__name__}:look_at_home", pickle.dumps(here))]
    if blind := [host for host, sees, _ in seen if not sees]:
        why = f"its node {blind[0]} does not see the data home {home}"
        raise ClusterError(cluster.address, why, "Runs of a sweep need one that all nodes share, as a network folder.")
    others = [host for host, _, is_here in seen if not is_here]
    if others and (database is None or sqlite_file(database)):
        why = f"{others[0]} is another machine, and several of them cannot write into one SQLite database"
        raise ClusterError(cluster.address, why, f"Name a PostgreSQL database with ${DATABASE_VARIABLE}.")
    work = [pickle.dumps((command, database)) for command in commands]
    for found in cluster.each(f"{__name__}:run_there", work, slots):
        yield ProcessResult(*pickle.loads(found))


def look_at_home(given: bytes) -> bytes:
    """On a node: return its name, whether it sees a folder, and whether it is the machine that asks."""
    folder, boot = pickle.loads(given)
    me = who_i_am()
    return pickle.dumps((me["host"], Path(folder).is_dir(), me["boot"] == boot))


def run_there(given: bytes) -> bytes:
    """On a node: run a command to its end; where the node's worker ends before, so does its process."""
    command, database = pickle.loads(given)
    while worker_on(command.folder):
        time.sleep(LOOK)
    make_folder(command.log.parent)
    environment = {"PYTHONUNBUFFERED": "1", **({DATABASE_VARIABLE: database} if database else {})}
    with command.log.open("wb") as file:
        target = "robo_rlhf.cli.main:main"
        process = HelperProcess(target, "run", *command.words, nice=NICE, environment=environment, output=file)
        try:
            while (code := process.code) is None:
                time.sleep(LOOK)
        finally:
            process.end()
    return pickle.dumps(tuple(ProcessResult(command.name, _why(command, code))))


def _why(command: CliProcess, code: int) -> str:
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
