"""Files of a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robo_rlhf.core.json_lines import row_of
from robo_rlhf.core.runs import Run
from tests.mutations.harness import Kind, forge_file


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    names: tuple[str, ...] = ("a", "b")


@dataclass(frozen=True)
class Asked:
    steps: int = 10
    inner: Inner = field(default_factory=Inner)


def _make(folder: Path) -> None:
    run = Run(folder / "run", Asked(), {"task": "lift", "note": "seal: é"})
    for step in range(1, 21):
        run.log(step, {"loss": 1 / step, "success": 0.5})
        run.event("iteration", step=step)
    run.finish({"updates": 20, "success": [0.5, 0.25], "held_out": {"accuracy": None}})


def _run(folder: Path) -> Run:
    return Run(folder / "run", Asked(), {"task": "lift", "note": "seal: é"})


def _read_config(folder: Path) -> Any:
    return _run(folder).config, json.loads((folder / "run" / "config.json").read_bytes())["steps"]


def _lines(folder: Path, name: str, found: Any) -> bool:
    """Whether the rows are what the file says: whole lines of it, all with a seal that fits, in another order."""
    path = folder / "run" / name
    *lines, _ = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    return all(line.startswith(b'{"seal": "seal:') for line in lines) and found == [row_of(line) for line in lines]


def _some(found: list[Any], whole: list[Any]) -> bool:
    return all(row in whole for row in found)


KINDS = [
    Kind("run config", _make, "run/config.json", _read_config, forge=forge_file),
    Kind("run result", _make, "run/result.json", lambda folder: _run(folder).result(), forge=forge_file),
    Kind(
        "run metrics",
        _make,
        "run/metrics.jsonl",
        lambda folder: _run(folder).metrics(),
        part=_some,
        explained=lambda folder, found: _lines(folder, "metrics.jsonl", found),
        forge=forge_file,
    ),
    Kind(
        "run events",
        _make,
        "run/events.jsonl",
        lambda folder: _run(folder).events(),
        part=_some,
        explained=lambda folder, found: _lines(folder, "events.jsonl", found),
        forge=forge_file,
    ),
]
