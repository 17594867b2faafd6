"""Weights & Biases. `WANDB_MODE=offline` keeps all in the run's folder until `wandb sync`; else a key is needed."""

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robo_rlhf.core.errors import InvalidValueError, MissingDependencyError
from robo_rlhf.core.files import read_whole
from robo_rlhf.trackers import TRACKERS
from robo_rlhf.trackers.base import Tracker

PROJECT = "robo_rlhf"  # unless $WANDB_PROJECT names another
OFFLINE = ("offline", "dryrun", "disabled")


@TRACKERS.register("wandb")
class WandB(Tracker):
    """A run at Weights & Biases: a chart for each metric of each stage, the configuration, the report and clips."""

    name = "wandb"

    @classmethod
    def check(cls) -> None:
        """Refuse what would fail: no library, or no key."""
        if importlib.util.find_spec("wandb") is None:
            raise MissingDependencyError("wandb", "--track wandb", "Install robo-rlhf[wandb].")
        if os.environ.get("WANDB_MODE", "").lower() in OFFLINE:
            return
        import wandb

        if not wandb.api.api_key:
            raise InvalidValueError("--track wandb", "no key", "`wandb login` first, or WANDB_MODE=offline")

    def begin(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Begin a run of the folder's name, or go on with it."""
        import wandb

        self.stages: set[str] = set()
        name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            id=name,
            resume="allow",
            dir=str(folder),
            config={key: value for key, value in config.items() if key != "seal"},
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def log(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Log a step; each stage has an axis of its own."""
        before = f"{stage}/" if stage else ""
        if stage not in self.stages:
            self.stages.add(stage)
            self.run.define_metric(f"{before}*", step_metric=f"{before}step")
        self.run.log({f"{before}step": step, **{f"{before}{name}": value for name, value in metrics.items()}})

    def finish(self, report: Path | None, clips: list[Path], result: Mapping[str, Any]) -> None:
        """Store the report and the clips, and end."""
        import wandb

        if report is not None:
            self.run.log({"report": wandb.Html(read_whole(report, "Write it again.").decode(), inject=False)})
        if clips:
            self.run.log({f"clips/{path.stem}": wandb.Video(str(path), format="mp4") for path in clips})
        self.run.summary.update({key: value for key, value in result.items() if key != "seal"})
        self.run.finish()
