"""A short main job for the tests."""

import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from robo_rlhf.core.files import read_json
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.runs import Run
from robo_rlhf.pipeline.config import PipelineConfig, preset
from robo_rlhf.pipeline.context import Context, open_context
from robo_rlhf.pipeline.loop import run_loop
from robo_rlhf.pipeline.report.page import write_report
from robo_rlhf.pipeline.steps.observers import NullObserver

COMPARED = ("metrics.jsonl", "truth.jsonl", "result.json", "policy.safetensors", "reward.safetensors")


def short_config(**asked: Any) -> PipelineConfig:
    approvals = 0.25 if asked.get("demos", 4) else 0.0
    own = {"task": "reach", "demos": 4, "labels": 12, "rounds": 2, "episodes": 8, "approvals": approvals}
    return short_fit(preset("tiny", **{**own, **asked}))


def short_fit(config: PipelineConfig) -> PipelineConfig:
    """Fit the reward by few updates, also where there are few answers."""
    fit = replace(config.reward.fit, updates_blind=config.reward.fit.updates)
    return replace(config, reward=replace(config.reward, fit=fit))


def fresh_home(reach_home: Path, folder: Path) -> Path:
    """A data home of its own with the demonstrations."""
    shutil.copytree(reach_home, folder)
    return folder


def opened(config: PipelineConfig, home: Path, name: str = "short") -> AbstractContextManager[Context]:
    """The context that the steps of the job are given."""
    return open_context(config, Run(home / "runs" / name, config), home)


def do(config: PipelineConfig, home: Path, name: str = "short", *, report: bool = False) -> Path:
    """Do the job and return its folder."""
    use_one_thread()
    path = home / "runs" / name
    run_loop(config, path, home)
    if report:
        write_report(path, home, NullObserver())
    return path


def traces(run: Path) -> dict[str, bytes]:
    """Everything that must be the same between equal jobs."""
    found = {str(path.relative_to(run)): path for path in sorted(run.rglob("*")) if path.name in COMPARED}
    assert len(found) > 10
    return {name: path.read_bytes() for name, path in found.items()}


def read(run: Path, name: str) -> Any:
    return read_json(run / name, dict)
