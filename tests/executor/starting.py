"""Ray nodes on this machine, and commands of ours beside them, in an environment of their own that holds Ray.

python -m venv ray-venv && ray-venv/bin/pip install --constraint .ci/constraints.txt '.[cluster]'
ROBO_RLHF_RAY=$PWD/ray-venv/bin/python make test-all ARGS=tests/executor
"""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

RAY = os.environ.get("ROBO_RLHF_RAY", "")  # the interpreter
ROOT = Path(__file__).parents[2]
LIMIT = 600.0  # [s] that a command may take


def variables(path: Path = ROOT) -> dict[str, str]:
    """Return the environment of nodes and commands, with our code from `path`."""
    ours = {"PYTHONPATH": str(path), "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    return {**os.environ, **ours, "OMP_NUM_THREADS": "1"}


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str


def begin(*words: str) -> "subprocess.Popen[str]":
    """Start a command of ours."""
    command = [RAY, "-m", "robo_rlhf.cli.main", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables(), cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def finished(process: "subprocess.Popen[str]") -> Said:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=LIMIT)
    return Said(process.returncode, out, err)


class Nodes:
    """A cluster with a head that works itself, and nodes that come and go. A context manager, which ends it."""

    def __enter__(self) -> Self:
        """Start the head, with one processor."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self.nodes: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        self._start("--head", f"--port={port}", "--include-dashboard=false", path=ROOT)
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
                return self
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the head of the cluster did not start")

    def add(self, path: Path = ROOT) -> "subprocess.Popen[bytes]":
        """Let a node join, with one processor and our code from `path`."""
        return self._start(f"--address={self.address}", path=path)

    def remove(self, node: "subprocess.Popen[bytes]") -> None:
        """Kill a node with all of its processes, as a power cut would."""
        for pid in [*_below(node.pid), node.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Kill all nodes."""
        for node in reversed(list(self.nodes)):
            self.remove(node)

    def _start(self, *words: str, path: Path) -> "subprocess.Popen[bytes]":
        command = [RAY, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus=1", "--block"]
        quiet = subprocess.DEVNULL
        node = subprocess.Popen(command, env=variables(path), stdout=quiet, stderr=quiet, start_new_session=True)
        self.nodes.append(node)
        return node


def _below(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    try:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*found, *(pid for child in found for pid in _below(child))]
