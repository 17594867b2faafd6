"""Finding the demonstrations for a pipeline run, and their number, before any heavy import."""

import json
from dataclasses import replace
from pathlib import Path

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.sim.external.ids import is_outside

USUAL = 25  # demonstrations where no number is given and enough exist


def usual_demos(config: PipelineConfig, run: Path, home: Path) -> int:
    """Return the default number of demonstrations of a run: all available ones, at most 25.

    A run that was started in the folder `run` keeps the number it started with.

    Raises:
        NotFoundError: there is no such dataset, or no success in it.
    """
    try:
        return int(json.loads((run / "config.json").read_text())["demos"])
    except (OSError, ValueError, TypeError, LookupError):
        return min(USUAL, len(find_demonstrations(replace(config, demos=1), home)[1]))


def find_demonstrations(config: PipelineConfig, home: Path) -> tuple[Dataset, list[str]]:
    """Return the dataset of demonstrations and the ids of those that succeed, sorted.

    Raises:
        NotFoundError: there is no such dataset, or no success in it.
        InvalidValueError: there are too few.
    """
    how = f"record --task {config.task} --device scripted --episodes {config.demos}"
    if is_outside(config.task):
        how = f"rollout --env {config.task} --policy MODULE:OBJECT --episodes {config.demos}"
    advice = f"Record some with `robo-rlhf {how} --only-successes --dataset {config.demonstrations}`."
    path = find_dataset(home, config.demonstrations)
    if not (path / MANIFEST).exists():
        raise NotFoundError("dataset of demonstrations", path, advice)
    dataset = Dataset(path)
    found = sorted(info.meta.id for info in dataset.list(task=config.task, outcome="success"))
    if not found:
        raise NotFoundError(f"demonstration in {path} of task", config.task, advice)
    if len(found) < config.demos:
        raise InvalidValueError("--demos", config.demos, f"at most the {len(found)} that {path} holds")
    return dataset, found
