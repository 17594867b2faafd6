"""Commands of ours in processes that outlive this one: started by a list of arguments, without a shell.

Such a process has a session of its own, an empty input, a file for what it prints, and of this process's environment
only what drawing, numerics and the search for modules need: no password, token or key.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from robo_rlhf.core.errors import CorruptFileError, WorkerDiedError
from robo_rlhf.core.files import DATABASE_VARIABLE, make_folder, read_whole
from robo_rlhf.core.guests import ALLOW_VARIABLE, ONLY_VARIABLE

NICE = 10  # niceness: live sessions and viewers come first
LAST_WORDS = 600  # characters of a failed process's output that are reported
_HANDED_ON = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"),
    *("LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONSAFEPATH", ALLOW_VARIABLE, ONLY_VARIABLE),
}
_FAMILIES = (
    "LC_",
    "MUJOCO_",
    "PYOPENGL_",
    "EGL_",
    "__EGL_",
    "MESA_",
    "LIBGL_",
    "GALLIUM_",
    "CUDA_",
    "NVIDIA_",
    "OMP_",
    "MKL_",
)


def environment_of(database: str | Path | None, ours: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command.

    Args:
        database: where feedback is; None where the command finds it in the data home. It needs the address, with a
            password where that holds one, to write questions there.
        ours: that of this process.
    """
    kept = {name: value for name, value in ours.items() if name in _HANDED_ON or name.startswith(_FAMILIES)}
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    where = {} if database is None else {DATABASE_VARIABLE: str(database)}
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **where}


def start_detached(command: Sequence[str], log: Path, database: str | Path | None) -> "subprocess.Popen[bytes]":
    """Start a `robo-rlhf` command, given as its words, without waiting for it; what it prints goes into the file `log`.

    Raises:
        WorkerDiedError: the system starts no process.
        DiskError, DiskFullError: there is no room for what it prints.
    """
    make_folder(log.parent)
    words = [sys.executable, "-P", "-m", "robo_rlhf.cli.main", *command]
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment_of(database, os.environ),
                start_new_session=True,
            )
    except OSError as error:
        raise WorkerDiedError(command[0], "its start", f"cannot be started ({error.strerror or error})") from error
    with suppress(OSError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    return process


def interrupt(pid: int) -> None:
    """Let a process stop in its own time, as Ctrl-C does; what it has done is on the disk."""
    with suppress(OSError):
        os.kill(pid, signal.SIGINT)


def kill(pid: int) -> None:
    """End a process at once; a run can be killed at any instant."""
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def last_words(log: Path) -> str:
    """Return the error that a process ended with, from the file that holds what it printed; empty where none is."""
    with suppress(OSError, CorruptFileError):
        lines = read_whole(log, "").decode(errors="replace").splitlines()
        reason = next((line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), "")
        return reason[:LAST_WORDS]
    return ""
