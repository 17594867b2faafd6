"""The run folder: config, metrics, events and checkpoints of one piece of work that can be killed at any instant.

    <run>/config.json          what was asked for; opening the folder again with another config is refused
    <run>/metrics.jsonl        one JSON object a logged step: {"step": 12, ...}; bit-identical between equal runs
    <run>/events.jsonl         what happened and when (wall clock); never compared between runs
    <run>/events.out.tfevents.*  the metrics once more, with times, for TensorBoard
    <run>/alive.json           the lock and heartbeat of who works on it, see `heartbeat`
    <run>/checkpoints/NAME.safetensors   tensors, with a JSON object in the header under "meta"
    <run>/result.json          written last; the run is finished when it is there

Work goes on from the newest checkpoint; `metrics.jsonl` is cut back to it first, so nothing is logged twice.
"""

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from robo_rlhf.errors import CorruptFileError, InvalidValueError
from robo_rlhf.files import sync, write_atomic, write_json
from robo_rlhf.tensorboard import EventFile
from robo_rlhf.types import Array


class Run:
    """A run folder, open for work."""

    def __init__(self, path: Path, config: object, besides: Mapping[str, Any] | None = None) -> None:
        """Create the folder, or open it to continue. `config` is a dataclass or a JSON object, `besides` adds to it.

        A setting that a folder of an earlier version lacks counts as the default of the dataclass.

        Raises:
            InvalidValueError: the folder holds a run with another config; the message names what differs.
        """
        self.path = path
        self.config = {**_plain(besides or {}), **_plain(config)}
        self._board = EventFile(path)
        self._whole: set[str] = set()  # files whose last line is known to be whole
        self._dirty: set[str] = set()  # files with lines that the disk may not hold yet
        stored = path / "config.json"
        if stored.exists():
            found = json.loads(stored.read_text())
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
        """Return the run of one stage, in a folder of its own inside this one."""
        return Run(self.path / name, config)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one row of metrics. Only what equal runs repeat exactly belongs here; times go to `event`."""
        row = {k: float(v) for k, v in metrics.items()}
        self._append("metrics.jsonl", {"step": step, **row})
        self._board.add(step, row)

    def metrics(self) -> list[dict[str, float]]:
        """Return all logged rows."""
        return _read_lines(self.path / "metrics.jsonl")

    def rewind_metrics(self, step: int) -> None:
        """Drop rows logged after `step`: the work after it will be done, and logged, again."""
        rows = [row for row in self.metrics() if row["step"] <= step]
        write_atomic(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        self._board.rewind(step)

    def event(self, name: str, **details: Any) -> None:
        """Append what happened, with the wall-clock time [s since 1970]."""
        self._append("events.jsonl", {"time": time.time(), "event": name, **details})

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a line to a file; half a line that a crash left there is cut off before the first."""
        path = self.path / name
        if name not in self._whole:
            _cut_torn_line(path)
            self._whole.add(name)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._dirty.add(name)

    def _sync(self) -> None:
        """Make the lines survive a power cut, before something does that says they are there."""
        for name in sorted(self._dirty):
            sync(self.path / name)
        if self._dirty:
            sync(self.path)
        self._dirty.clear()

    def events(self) -> list[dict[str, Any]]:
        """Return all events."""
        return _read_lines(self.path / "events.jsonl")

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
        """Return arrays and meta of a checkpoint, or None where there is none yet."""
        path = self.checkpoint_path(name)
        return read_checkpoint(path) if path.exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the result; the run is finished from here on."""
        self._sync()
        write_json(self.path / "result.json", result)

    def result(self) -> dict[str, Any] | None:
        """Return the result of a finished run, None for one that is not."""
        path = self.path / "result.json"
        return json.loads(path.read_text()) if path.exists() else None


def write_checkpoint(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON object as one safetensors file, atomically."""
    packed = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    write_atomic(path, save_tensors(packed, metadata={"meta": json.dumps(meta)}))


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Raises:
        CorruptFileError: the file is truncated or not a checkpoint.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            meta = json.loads(file.metadata()["meta"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(path, str(error), "Use an older checkpoint, or train again.") from error
    return arrays, meta


def with_defaults(found: Mapping[str, Any], config: object) -> dict[str, Any]:
    """Return stored settings with those that a dataclass has since: `config`, or its class, tells their defaults.

    Only what a dataclass names is added, at any depth; a free mapping within it stays as it was stored.
    """
    known = config if isinstance(config, type) else type(config)
    return _filled(found, _defaults(known)) if dataclasses.is_dataclass(known) else dict(found)


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


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; a torn last line, left by a crash, is passed over."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
