"""Controls of environments that a data home remembers: one file an environment, written when they are changed."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from robo_rlhf.core.errors import CorruptFileError, InvalidValueError
from robo_rlhf.core.files import make_folder, read_json, remove, write_json
from robo_rlhf.core.seal import parse_json
from robo_rlhf.sim.external.controls import FORM, ColumnControl, check_columns

FOLDER = "controls"  # in the data home
ADVICE = "Remove it: the usual controls hold then."
_CONTROL = TypeAdapter(ColumnControl)


def controls_path(home: Path, task: str) -> Path:
    """Return the file that remembers the controls of a task or environment."""
    digest = hashlib.sha256(task.encode()).hexdigest()[:8]
    return home / FOLDER / f"{re.sub(r'[^A-Za-z0-9_.+-]', '-', task)[:80]}-{digest}.json"


def read_controls(home: Path, task: str, usual: Sequence[ColumnControl]) -> tuple[ColumnControl, ...]:
    """Return the remembered controls; the `usual` ones where there are none, or of other columns by now.

    Raises:
        CorruptFileError: the file cannot be read.
    """
    path = controls_path(home, task)
    if not os.path.lexists(path):
        return tuple(usual)
    stored = read_json(path, dict, ADVICE)
    try:
        return check_columns([control_from(one) for one in stored["controls"]], usual)
    except InvalidValueError:  # the environment has other columns now
        return tuple(usual)
    except (TypeError, KeyError, AttributeError) as error:
        raise CorruptFileError(path, f"no list of controls: {error}", ADVICE) from error


def write_controls(home: Path, task: str, controls: Sequence[ColumnControl], usual: Sequence[ColumnControl]) -> None:
    """Remember controls; those that are the `usual` ones are forgotten."""
    path = controls_path(home, task)
    if tuple(controls) == tuple(usual):
        remove(path, missing_ok=True)
        return
    make_folder(path.parent)
    write_json(path, {"task": task, "controls": [asdict(one) for one in controls]})


def controls_from(text: str) -> list[ColumnControl]:
    """Return controls as a page gives them, a list as JSON.

    Raises:
        InvalidValueError: it is no such list.
    """
    try:
        listed = parse_json(text)
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        raise InvalidValueError("controls", repr(text)[:200], "a list as JSON")
    return [control_from(one) for one in listed]


def control_from(given: Any) -> ColumnControl:
    """Return a control as a page or a file gives it.

    Raises:
        InvalidValueError: it has other entries, or values of another kind.
    """
    try:
        return _CONTROL.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "control"
        raise InvalidValueError("control", f"{where}: {first['msg'].lower()}", FORM) from None
