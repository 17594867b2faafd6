"""What is acknowledged is on the disk: its content, its name, and the names of all folders above it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CALLS = "openat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,write,pwrite64"
LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


class Disk:
    """What would be left by a power cut, by the system calls that were made."""

    def __init__(self, home: Path) -> None:
        """Nothing was made yet."""
        self.home = str(home)
        self.now: set[str] = set()  # names
        self.kept: set[str] = set()  # names that the disk holds
        self.dirty: set[str] = set()  # files with content that the disk does not hold

    def call(self, name: str, arguments: str) -> None:
        """Take note of a system call that succeeded."""
        paths = [path for path in re.findall(r'"([^"]*)"', arguments) if path.startswith(self.home)]
        opened = re.match(r"\d+<([^>]*)>", arguments)
        of = opened.group(1) if opened is not None else ""
        if name in ("mkdir", "mkdirat") or (name == "openat" and "O_CREAT" in arguments):
            self.now.update(paths)
        elif name.startswith("rename") and len(paths) == 2:
            self.now = self.now - {paths[0]} | {paths[1]}
            if paths[0] in self.dirty:
                self.dirty = self.dirty - {paths[0]} | {paths[1]}
        elif name.startswith("unlink"):
            self.now -= set(paths)
            self.dirty -= set(paths)
        elif name in ("write", "pwrite64") and of.startswith(self.home):
            self.dirty.add(of)
        elif name in ("fsync", "fdatasync"):
            self.dirty.discard(of)
            inside = {path for path in self.now | self.kept if os.path.dirname(path) == of}
            self.kept = self.kept - inside | (inside & self.now)

    def holds(self, path: str) -> bool:
        """Whether a file, with its content, would be found after a power cut."""
        names = [path]
        while names[-1] != self.home:
            names.append(os.path.dirname(names[-1]))
        return path not in self.dirty and self.kept.issuperset(names)

    def lacks(self, path: str) -> bool:
        """Whether a file would be gone."""
        return path not in self.kept


def calls(trace: str) -> Iterator[tuple[str, str]]:
    """Give the system calls of a trace that succeeded, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        if line.endswith("<unfinished ...>"):
            begun[line.split()[0]] = line.removesuffix("<unfinished ...>")
            continue
        again = RESUMED.match(line)
        whole = begun.pop(again.group(1), "") + again.group(3) if again is not None else line
        found = LINE.match(whole)
        if found is not None and int(found.group(3)) >= 0:
            yield found.group(1), found.group(2)


def acknowledged(trace: str, home: Path) -> tuple[list[str], list[str]]:
    """Return what was acknowledged, and what of it was not on the disk."""
    disk, said, wrong = Disk(home), [], []
    for name, arguments in calls(trace):
        claim = re.match(r'1<[^>]*>, "(made|gone) (\S+)\\n"', arguments) if name == "write" else None
        if claim is None:
            disk.call(name, arguments)
            continue
        said.append(claim.group(0))
        path = f"{home}/{claim.group(2)}"
        if not (disk.holds(path) if claim.group(1) == "made" else disk.lacks(path)):
            wrong.append(f"{claim.group(1)} {claim.group(2)}")
    return said, wrong


@pytest.mark.slow
def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    home, trace = tmp_path / "home", tmp_path / "trace"
    program = [sys.executable, "-m", "tests.data.acknowledging", str(home)]
    command = ["strace", "-f", "-y", "-s", "300", "-e", f"trace={CALLS}", "-o", str(trace), *program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=300)
    if "PTRACE_TRACEME" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("this system lets no program be traced")
    assert done.returncode == 0, done.stderr
    said, wrong = acknowledged(trace.read_text(), home)
    assert len(said) == done.stdout.count("\n") > 10
    assert wrong == []


MADE = ['mkdir("/h", 0777) = 0', "fsync(3</>) = 0", 'mkdir("/h/d", 0777) = 0', "fsync(3</h>) = 0"]
WRITTEN = [
    'openat(AT_FDCWD, "/h/d/.p", O_CREAT) = 3',
    'write(3</h/d/.p>, "x", 1) = 1',
    "fsync(3</h/d/.p>) = 0",
]
NAMED = ['rename("/h/d/.p", "/h/d/f") = 0', "fsync(4</h/d>) = 0"]
WHOLE = [*MADE, *WRITTEN, *NAMED]


def test_the_reading_of_a_trace_finds_each_sync_that_is_missing() -> None:
    claim = 'write(1<pipe:[1]>, "made d/f\\n", 9) = 9'
    assert acknowledged("\n".join([*WHOLE, claim]), Path("/h")) == (['1<pipe:[1]>, "made d/f\\n"'], [])
    for number, line in enumerate(WHOLE):
        if line.startswith("fsync"):
            lines = [*WHOLE[:number], *WHOLE[number + 1 :], claim]
            assert acknowledged("\n".join(lines), Path("/h"))[1] == ["made d/f"], line
    gone = ['unlink("/h/d/f") = 0', 'write(1<pipe:[1]>, "gone d/f\\n", 9) = 9']
    assert acknowledged("\n".join([*WHOLE, *gone]), Path("/h"))[1] == ["gone d/f"]
    assert acknowledged("\n".join([*WHOLE, gone[0], "fsync(4</h/d>) = 0", gone[1]]), Path("/h"))[1] == []
