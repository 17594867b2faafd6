"""Files of JSON lines that grow: each line is sealed, so that damage to one is noticed and costs that line alone.

    {"seal": "seal:0000004e8f1d2a3b", "step": 12, "loss": 0.5}

A line without a seal is of a version that wrote none, and is read. Half a line at the end was left by a crash.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import FileWarning
from robo_rlhf.core.files import read_whole
from robo_rlhf.core.seal import blank_object, parse_json, seal_object, take_seal

_ADVICE = "Put a copy of it in its place."


def sealed_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as a sealed line with its end."""
    return seal_object(json.dumps(blank_object(dict(row))).encode()) + b"\n"


def sealed_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the content of a file of rows."""
    return b"".join(map(sealed_line, rows))


def row_of(line: bytes) -> dict[str, Any]:
    """Return the row that a line without its end holds, without the seal.

    Raises:
        ValueError: it holds none, or not what was sealed.
    """
    row = parse_json(line)
    if not isinstance(row, dict):
        raise ValueError("it is no JSON object")
    take_seal(line, row, must=False)
    return row


def read_lines(path: Path, fits: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Return the rows of a file that fit; none where there is no file. Damaged ones are left out with a `FileWarning`.

    Raises:
        CorruptFileError: it is no file.
        OSError: the system cannot read it.
    """
    if not os.path.lexists(path):
        return []
    *lines, _ = read_whole(path, _ADVICE).split(b"\n")  # what comes after the last end of a line is torn
    rows, damaged = [], list[str]()
    for number, line in enumerate(lines, 1):
        try:
            row = row_of(line)
            if not fits(row):
                raise ValueError("it is no row of this file")
        except ValueError as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            damaged.append(f"line {number}: {why[:1].lower()}{why[1:]}")
        else:
            rows.append(row)
    if damaged:
        which = f"{damaged[0]}, and {len(damaged) - 1} more" if len(damaged) > 1 else damaged[0]
        warnings.warn(f"{path} is damaged in {which}. The other lines are used. {_ADVICE}", FileWarning, stacklevel=3)
    return rows


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a file; the caller makes it durable."""
    with path.open("ab") as file:
        file.write(sealed_line(row))


def cut_torn_line(path: Path) -> None:
    """Cut off half a line that a crash left at the end of a file."""
    if path.exists():
        content = read_whole(path, _ADVICE)
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
