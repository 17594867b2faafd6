"""Which demonstrations there are for a job, and how many it takes: known before anything heavy is loaded."""

import json
from dataclasses import replace
from pathlib import Path

from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.sim.external.ids import is_outside

USUAL = 25  # demonstrations where nobody says how many, and there are so many


def usual_demos(config: PipelineConfig, run: Path, home: Path) -> int:
    """Return how many demonstrations a job takes that nobody gave a number: those that there are, at most 25.

    A job that began in the folder `run` goes on with as many as it began with.

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
