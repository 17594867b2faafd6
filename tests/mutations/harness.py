"""Damaged and foreign files of every kind: what reading one may end in, and what may not.

A kind is one file in `kinds` with a list `KINDS` in it. Each `Kind` makes a whole one in an empty folder, names the
files to damage, and reads everything back as the program does. Reading a damaged one may end in

    refused    an error of `core.errors`, or one of the system about a named file: the command says each in a line
    told       a `FileWarning`, with everything else as it was (`part` says whether it is)
    equal      the same value as before
    as it says another value, where the kind has no seal and `explained` finds that it is what the file now says

and in nothing else: no other exception, no more than 5 s, no end of the process, no other value. A foreign file is
written by `forge`, whole and sealed where there is a seal, but of something else; any value is fine there.
"""

import importlib
import json
import os
import pkgutil
import random
import shutil
import signal
import socket
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from robo_rlhf.core.errors import FileWarning, RoboRlhfError

BUSY, WAITING = 5.0, 60.0  # [s] of the processor, and on the clock where other tests take the processor
DEEP = 100_000  # levels of nested JSON


def _never(*_: Any) -> bool:
    return False


def is_part(found: Any, whole: Any) -> bool:
    """Whether everything in one mapping is in the other as well."""
    return all(whole.get(name) == value for name, value in found.items())


def made_again(found: Any, complete: bool) -> Any:
    """Return what was found; with a warning where not all was, as the program says nothing and makes it again."""
    if not complete:
        warnings.warn("it is made again", FileWarning, stacklevel=2)
    return found


class Kind(NamedTuple):
    name: str
    make: Callable[[Path], object]  # in an empty folder; once
    files: str  # glob of the files to damage
    read: Callable[[Path], Any]  # all of it, as something that can be compared
    part: Callable[[Any, Any], bool] = _never  # (found, whole) where a warning was given
    explained: Callable[[Path, Any], bool] = _never  # (folder, found)
    forge: Callable[[random.Random, Path], None] | None = None  # puts a foreign file in the place of another


class HungError(BaseException):
    """Not to be caught by what is tested."""


class SilentError(AssertionError):
    """A value that is neither the one before nor explained."""


def kinds() -> dict[str, Kind]:
    """Return all kinds by name."""
    package = importlib.import_module("tests.mutations.kinds")
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return {kind.name: kind for module in modules for kind in module.KINDS}


def run(kind: Kind, folder: Path, count: int, first: int = 0) -> Counter[str]:
    """Read `count` mutations of a kind; return how often which end came, and raise for one that may not."""
    whole_folder, work = folder / "whole", folder / "work"
    whole_folder.mkdir()
    kind.make(whole_folder)
    shutil.copytree(whole_folder, work)
    assert all(path.stat().st_size for path in work.glob(kind.files)), "a file that holds nothing cannot be damaged"
    with warnings.catch_warnings(action="error"):
        whole = kind.read(work)
    ends: Counter[str] = Counter()
    for number in range(first, first + count):
        shutil.rmtree(work)
        shutil.copytree(whole_folder, work)
        rng = random.Random(f"{kind.name} {number}")
        path = rng.choice(sorted(work.glob(kind.files)))
        forged = kind.forge is not None and rng.random() < 0.3
        if forged:
            assert kind.forge is not None
            kind.forge(rng, path)
            what = "forged"
        else:
            what = rng.choice(WAYS)(rng, path)
        try:
            ends[_end(kind, work, whole, forged)] += 1
        except (Exception, HungError) as error:
            error.add_note(f"{kind.name}, mutation {number}: {what} in {path.relative_to(work)}")
            raise
    return ends


def _end(kind: Kind, work: Path, whole: Any, forged: bool) -> str:
    with warnings.catch_warnings(record=True) as told, _limited():
        warnings.simplefilter("error")
        warnings.simplefilter("always", FileWarning)
        try:
            found = kind.read(work)
        except RoboRlhfError as error:
            text = str(error)
            assert len(text) < 2000, f"a sentence of {len(text)} characters: {text[:200]}"
            return "refused"
        except OSError as error:
            if error.filename is None:
                raise
            return "refused"
    if found == whole:
        return "equal"
    if forged:
        return "foreign"
    if told and kind.part(found, whole):
        return "told"
    if kind.explained(work, found):
        return "as it says"
    raise SilentError(f"{str(found)[:500]} in place of {str(whole)[:500]}")


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HungError("it takes too long")

    before = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, BUSY)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def _bytes(change: Callable[[random.Random, bytearray], object]) -> Callable[[random.Random, Path], str]:
    def way(rng: random.Random, path: Path) -> str:
        content = bytearray(path.read_bytes())
        if content:
            change(rng, content)
        path.write_bytes(content)
        return change.__name__

    return way


def flip_bit(rng: random.Random, content: bytearray) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def other_byte(rng: random.Random, content: bytearray) -> None:
    content[rng.randrange(len(content))] = rng.randrange(256)


def other_digit(rng: random.Random, content: bytearray) -> None:
    places = [i for i, byte in enumerate(content[:100_000]) if 48 <= byte < 58]
    if places:
        content[rng.choice(places)] = rng.randrange(48, 58)


def cut_off(rng: random.Random, content: bytearray) -> None:
    del content[rng.randrange(len(content)) :]


def cut_out(rng: random.Random, content: bytearray) -> None:
    start = rng.randrange(len(content))
    del content[start : start + rng.randrange(1, 65)]


def twice(rng: random.Random, content: bytearray) -> None:
    start, size = rng.randrange(len(content)), rng.randrange(1, 65)
    content[start:start] = content[start : start + size]


def zeros(rng: random.Random, content: bytearray) -> None:
    start, size = rng.randrange(len(content)), rng.randrange(1, 513)
    content[start : start + size] = bytes(len(content[start : start + size]))


def noise(rng: random.Random, content: bytearray) -> None:
    start, size = rng.randrange(len(content)), rng.randrange(1, 65)
    content[start : start + size] = rng.randbytes(size)


def longer(rng: random.Random, content: bytearray) -> None:
    content += rng.randbytes(rng.randrange(1, 65)) if rng.random() < 0.5 else bytes(content)


def swapped(rng: random.Random, content: bytearray) -> None:
    size = max(len(content) // 4, 1)
    one, other = rng.randrange(len(content)), rng.randrange(len(content))
    kept = content[one : one + size]
    content[one : one + size] = content[other : other + size]
    content[other : other + size] = kept


def lines_mixed(rng: random.Random, content: bytearray) -> None:
    lines = bytes(content).splitlines(keepends=True)
    rng.shuffle(lines)
    content[:] = b"".join(lines[: rng.randrange(len(lines) + 1)])


def deep(rng: random.Random, content: bytearray) -> None:
    opened, closed = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    nested = opened * DEEP + b"1" + closed * DEEP
    ends = [i + 1 for i, byte in enumerate(content[:100_000]) if byte in b":["]
    if ends and rng.random() < 0.5:  # a value within it
        at = rng.choice(ends)
        content[at : at + rng.randrange(8)] = nested
    else:
        content[:] = nested


def other_number(rng: random.Random, content: bytearray) -> None:
    places = [
        i for i, byte in enumerate(content[:100_000]) if byte in b":[" and content[i + 1 : i + 3].strip()[:1].isdigit()
    ]
    if places:
        number = rng.choice([b"NaN", b"-Infinity", b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"0.5", b"true", b"null"])
        at = rng.choice(places) + 1
        end = at + next((i for i, byte in enumerate(content[at:]) if byte in b",]}\n" and i), len(content) - at)
        content[at:end] = b" " + number


def _instead(path: Path) -> Path:
    path.unlink()
    return path


def pipe(_: random.Random, path: Path) -> str:
    os.mkfifo(_instead(path))
    return "pipe"


def empty_folder(_: random.Random, path: Path) -> str:
    _instead(path).mkdir()
    return "folder"


def a_socket(_: random.Random, path: Path) -> str:
    here = os.open(path.parent, os.O_RDONLY)
    _instead(path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")  # the whole path may be too long for one
    os.close(here)
    return "socket"


def device(_: random.Random, path: Path) -> str:
    _instead(path).symlink_to("/dev/zero")
    return "device"


def circle(_: random.Random, path: Path) -> str:
    _instead(path).symlink_to(path.name)
    return "link to itself"


_ON_BYTES = (flip_bit, flip_bit, flip_bit, other_byte, other_digit, other_digit, cut_off, cut_out, twice, zeros, noise)
_ON_BYTES += (longer, swapped, lines_mixed, deep, other_number)
WAYS = (*map(_bytes, _ON_BYTES), pipe, empty_folder, a_socket, device, circle)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**40,
    10**30,
    1e300,
    float("nan"),
    "",
    "x" * 5000,
    "\0",
    [],
    {},
    [[]],
    {"a": 1},
)


def forge_json(rng: random.Random, value: Any) -> Any:
    """Return a JSON value in which one thing is another."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        match rng.randrange(6):
            case 0:
                return {other: item for other, item in value.items() if other != name}
            case 1:
                return {(f"{name}s" if other == name else other): item for other, item in value.items()}
            case _:
                return {**value, name: forge_json(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], forge_json(rng, value[at]), *value[at + 1 :]]
    return rng.choice(ODD)


def forge_file(rng: random.Random, path: Path) -> None:
    """Forge a file of JSON, or a line of one of JSON lines; what has a seal loses it, as by hand."""
    lines = (path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]) or ["{}"]
    at = rng.randrange(len(lines))
    value = json.loads(lines[at])
    if isinstance(value, dict):
        value.pop("seal", None)
    lines[at] = json.dumps(forge_json(rng, value))
    path.write_text("\n".join(lines) + "\n")
