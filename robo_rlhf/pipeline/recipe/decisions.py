"""What the recipe of a run has decided, as it stands in the run's folder; loads nothing heavy."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import read_json
from robo_rlhf.pipeline.config import PipelineConfig

STAGE = "recipe"


def apply(config: PipelineConfig, settings: Mapping[str, Any]) -> PipelineConfig:
    """Return `config` with settings replaced, by their dotted names."""
    for name, value in settings.items():
        config = _replaced(config, name.split("."), value)
    return config


def settings_of(run: Path) -> dict[str, Any]:
    """Return what the recipe of the run in a folder decided, by dotted names; empty where it decided nothing."""
    path = run / STAGE / "result.json"
    found: dict[str, Any] = read_json(path, dict, entry="settings") if path.exists() else {}
    return found


def decided(stored: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """Return the stored settings of a run, a JSON object, with what its recipe decided."""
    whole: dict[str, Any] = json.loads(json.dumps(stored))
    for name, value in settings_of(run).items():
        *path, last = name.split(".")
        inside = whole
        for part in path:
            inside = inside[part]
        inside[last] = value
    return whole


def _replaced(config: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _replaced(getattr(config, path[0]), path[1:], value)
    return replace(config, **{path[0]: value})
