"""Ray nodes on this machine, and commands of ours beside them, in an environment of their own that holds Ray.

python -m venv ray-venv && ray-venv/bin/pip install --constraint .ci/constraints.txt '.[cluster]'
ROBO_RLHF_RAY=$PWD/ray-venv/bin/python make test-all ARGS=tests/executor
"""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

RAY = os.environ.get("ROBO_RLHF_RAY", "")  # the interpreter
ROOT = Path(__file__).parents[2]
LIMIT = 900.0  # [s] that a command may take


def start(*words: str) -> "subprocess.Popen[str]":
    """Start Python with these words in the environment with Ray, our code and the tests from this checkout."""
    ours = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    environment, pipe = {**os.environ, **ours}, subprocess.PIPE
    command = [RAY or sys.executable, *words]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str


def begin(*words: str) -> "subprocess.Popen[str]":
    """Start a command of ours."""
    return start("-m", "robo_rlhf.cli.main", *words)


def finished(process: "subprocess.Popen[str]") -> Said:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=LIMIT)
    return Said(process.returncode, out, err)


class Nodes:
    """A cluster: its head, which does no work, and nodes that come and go. A context manager, which ends it."""

    def __enter__(self) -> Self:
        """Start the head."""
        self._process = start(str(Path(__file__).with_name("ray_nodes.py")))
        self.address = self._said()
        return self

    def add(self, path: Path = ROOT) -> None:
        """Let a node join, with one processor, that finds modules in `path` first."""
        self._do(f"add {path}")

    def remove(self) -> None:
        """Kill the node that joined first, with all of its processes, as a power cut would."""
        self._do("remove")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all nodes."""
        self._process.communicate(timeout=LIMIT)

    def _do(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, finished(self._process).err
        return line
