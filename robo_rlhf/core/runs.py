"""The run folder: config, metrics, events and checkpoints of one piece of work that can be killed at any instant.

    <run>/config.json          the configuration, sealed; opening the folder again with another config is refused
    <run>/metrics.jsonl        one sealed JSON object a logged step: {"step": 12, ...}; bit-identical between equal runs
    <run>/events.jsonl         what happened and when (wall clock), sealed likewise; never compared between runs
    <run>/events.out.tfevents.*  the metrics once more, with times, for TensorBoard
    <run>/alive.json           the lock and heartbeat of the process that works on it, see `heartbeat`
    <run>/checkpoints/NAME.safetensors   tensors, with a JSON object in the header under "meta", sealed
    <run>/result.json          written last, sealed; the run is finished when it is there

Work resumes from the newest checkpoint; `metrics.jsonl` is cut back to it first, so nothing is logged twice.
"""

import dataclasses
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from robo_rlhf.core import legacy_names
from robo_rlhf.core.errors import (
    CheckpointMismatchError,
    CorruptFileError,
    FileWarning,
    InvalidValueError,
    NonFiniteError,
    VersionError,
)
from robo_rlhf.core.files import (
    read_json,
    read_whole,
    sync,
    write_atomic,
    write_json,
)
from robo_rlhf.core.json_lines import append_line, cut_torn_line, read_lines, sealed_lines
from robo_rlhf.core.seal import (
    blank_object,
    parse_json,
    seal_object,
    take_seal,
)
from robo_rlhf.core.tensorboard import EventFile
from robo_rlhf.core.types import Array

FORMAT = 2  # of checkpoints: 1 had no number and no seal
_AGAIN = "Use an older checkpoint, or train again."
# What reading the bytes of a checkpoint, or building and filling a network by what they say, can raise.
_MISFITS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    InvalidValueError,
    LookupError,
    MemoryError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)


class Run:
    """A run folder, open for work."""

    def __init__(self, path: Path, config: object, inputs: Mapping[str, Any] | None = None) -> None:
        """Create the folder, or open it to continue. `config` is a dataclass or a JSON object, `inputs` adds to it.

        A setting that a folder of an earlier version lacks counts as the default of the dataclass.

        Raises:
            InvalidValueError: the folder holds a run with another config; the message names what differs.
            CorruptFileError: its config.json is damaged.
        """
        self.path = path
        self.config = {**_plain(inputs or {}), **_plain(config)}
        self._board = EventFile(path)
        self._whole: set[str] = set()  # files whose last line is known to be whole
        self._dirty: set[str] = set()  # files with lines that the disk may not hold yet
        stored = path / "config.json"
        if os.path.lexists(stored):
            found = read_json(stored, dict)
            whole = with_defaults(found, config)
            self._check_config(whole)
            if whole != found:
                write_json(stored, whole)
        else:
            write_json(stored, self.config)

    def _check_config(self, found: dict[str, Any]) -> None:
        stored, asked = _leaves(found), _leaves(self.config)
        different = [name for name in sorted({*stored, *asked}) if stored.get(name) != asked.get(name)]
        if different:
            listed = ", ".join(f"{name}={stored.get(name)!r}" for name in different)
            raise InvalidValueError(
                f"run folder {self.path}",
                ", ".join(f"{name}={asked.get(name)!r}" for name in different),
                f"the settings it was started with ({listed}); continue with those, or name another run (--run)",
            )

    def child(self, name: str, config: object) -> "Run":
        """Return the run of one stage, in a separate folder inside this one."""
        return Run(self.path / name, config)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one row of metrics. Only what equal runs repeat exactly belongs here; times go to `event`."""
        row = {k: float(v) for k, v in metrics.items()}
        self._append("metrics.jsonl", {"step": step, **row})
        self._board.add(step, row)

    def metrics(self, name: str = "metrics.jsonl") -> list[dict[str, float]]:
        """Return all logged rows; those of another file where it is named. See `read_lines` for damaged ones."""
        return read_lines(self.path / name, _is_metrics)

    def rewind_metrics(self, step: int) -> None:
        """Drop rows logged after `step`: the work after it will be done, and logged, again."""
        rows = [row for row in self.metrics() if row["step"] <= step]
        write_atomic(self.path / "metrics.jsonl", sealed_lines(rows))
        self._board.rewind(step)

    def event(self, name: str, **details: Any) -> None:
        """Append what happened, with the wall-clock time [s since 1970]."""
        self._append("events.jsonl", {"time": time.time(), "event": name, **details})

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a line to a file; half a line that a crash left there is cut off before the first write."""
        path = self.path / name
        if name not in self._whole:
            cut_torn_line(path)
            self._whole.add(name)
        append_line(path, row)
        self._dirty.add(name)

    def _sync(self) -> None:
        """Make the lines survive a power cut, before anything durable refers to them."""
        for name in sorted(self._dirty):
            sync(self.path / name)
        if self._dirty:
            sync(self.path)
        self._dirty.clear()

    def events(self) -> list[dict[str, Any]]:
        """Return all events, as `metrics` does."""
        return read_lines(self.path / "events.jsonl", _is_event)

    def checkpoint_path(self, name: str) -> Path:
        """Return where the checkpoint called `name` is or will be."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def save(self, name: str, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> Path:
        """Write a checkpoint atomically and return its path. `meta` is a JSON object."""
        self._sync()
        path = self.checkpoint_path(name)
        write_checkpoint(path, arrays, meta)
        return path

    def load(self, name: str) -> tuple[dict[str, Array], dict[str, Any]] | None:
        """Return arrays and meta of a checkpoint, or None where there is none yet; raises as `read_checkpoint`."""
        path = self.checkpoint_path(name)
        return read_checkpoint(path) if os.path.lexists(path) else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result; the run is finished from here on."""
        self._sync()
        write_json(self.path / "result.json", dict(result))

    def result(self) -> dict[str, Any] | None:
        """Return the result of a finished run, None for one that is not.

        Raises:
            CorruptFileError: its result.json is damaged.
        """
        path = self.path / "result.json"
        return read_json(path, dict) if os.path.lexists(path) else None


def write_checkpoint(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON object as one sealed safetensors file, atomically."""
    packed = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    text = json.dumps(blank_object({"format": FORMAT, **meta}))  # one text: safetensors writes several in any order
    write_atomic(path, seal_object(save_tensors(packed, metadata={"meta": text})))


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write_checkpoint` wrote, every byte of it checked.

    A file of format 1, which had no seal, is read with a `FileWarning`.

    Raises:
        CorruptFileError: the file is damaged, lacks the seal of its format, or is not a checkpoint.
        VersionError: a later format.
        OSError: the system cannot read it, or there is none.
    """
    content = read_whole(path, _AGAIN)
    try:
        arrays = {name: np.array(value) for name, value in load_tensors(content).items()}
        meta = checkpoint_meta(content)
        version = meta.pop("format", 1)
        sealed = take_seal(content, meta, must=version != 1)
    except _MISFITS as error:
        raise CorruptFileError(path, _line(error), _AGAIN) from error
    if sealed and version != FORMAT:
        raise VersionError(path, version, FORMAT, "Use it with the version of robo-rlhf that wrote it.")
    if not sealed:
        sentence = f"{path} is of a version that did not seal its checkpoints, so damage to it would not be noticed."
        warnings.warn(f"{sentence} It is sealed when it is next written.", FileWarning, stacklevel=2)
    named = {legacy_names.array_name(name): value for name, value in arrays.items()}
    return named, legacy_names.checkpoint_meta(meta)


def checkpoint_meta(content: bytes) -> dict[str, Any]:
    """Return the JSON object in the header of a checkpoint, from its first bytes and unchecked.

    Raises:
        ValueError, KeyError, TypeError: the bytes are none of a checkpoint.
    """
    header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    meta = parse_json(header["__metadata__"]["meta"])
    if not isinstance(meta, dict):
        raise TypeError("its header holds no JSON object")
    return meta


@contextmanager
def fitting(path: Path, expected: str) -> Iterator[None]:
    """Turn errors of building and filling a network from the checkpoint at `path` into one sentence.

    Raises:
        CheckpointMismatchError: its tensors or settings are of something else than what was `expected`.
        NonFiniteError: a weight is NaN or infinite.
    """
    try:
        yield
    except NonFiniteError as error:
        raise NonFiniteError(error.what, str(path), _AGAIN) from error
    except _MISFITS as error:
        raise CheckpointMismatchError(path, expected, _line(error)) from error


def _line(error: BaseException) -> str:
    """Return the message of an error as one line of moderate length."""
    message = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
    text = f"it lacks {message}" if isinstance(error, KeyError) else message
    return (text or type(error).__name__)[:300].rstrip(".")


def with_defaults(found: Mapping[str, Any], config: object) -> dict[str, Any]:
    """Return stored settings with those that a dataclass has gained; `config`, or its class, gives their defaults.

    Only what a dataclass names is added, at any depth; a free mapping within it stays as it was stored.
    """
    found = legacy_names.settings(found)
    known = config if isinstance(config, type) else type(config)
    return _filled(found, _defaults(known)) if dataclasses.is_dataclass(known) else found


def _defaults(known: Any) -> dict[str, Any]:
    """Return the defaults of the fields of a dataclass that have one."""
    fields = dataclasses.fields(known)
    made = {field.name: field.default_factory() for field in fields if callable(field.default_factory)}
    return made | {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}


def _filled(found: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    whole = {**_plain(defaults), **found}
    for name, default in defaults.items():
        if name in found and dataclasses.is_dataclass(default) and isinstance(whole[name], dict):
            inner = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
            whole[name] = _filled(whole[name], inner)
    return whole


def _plain(config: object) -> dict[str, Any]:
    plain = json.loads(json.dumps(config, default=_jsonable))
    assert isinstance(plain, dict)
    return plain


def _leaves(settings: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return settings within settings by their dotted names, as `--set` takes them."""
    leaves: dict[str, Any] = {}
    for name, value in settings.items():
        leaves |= _leaves(value, f"{within}{name}.") if isinstance(value, dict) else {within + name: value}
    return leaves


def _jsonable(value: Any) -> Any:
    is_config = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_config else str(value)


def _is_metrics(row: Mapping[str, Any]) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in row.values())
    return numbers and isinstance(row.get("step"), int)


def _is_event(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("time"), int | float) and isinstance(row.get("event"), str)
