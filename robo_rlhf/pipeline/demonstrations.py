"""Finding the demonstrations for a pipeline run, and their number, before any heavy import.

Where no dataset is named a run imitates the user's own demonstrations, where they are enough, else the samples.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.core.errors import CorruptFileError, InvalidValueError, NotFoundError
from robo_rlhf.core.files import find_dataset, read_json
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.data.layout import MANIFEST, list_datasets
from robo_rlhf.data.reader import Reader
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.sim.external.ids import is_outside

USUAL = 25  # demonstrations where no number is given and enough exist
ENOUGH = 10  # successes of the user's own from which a run that names no dataset learns, rather than from the samples
COMPARISONS = "comparisons/"  # datasets of what policies did from one frame, which are no demonstrations


def usual_dataset(task: str, run: Path, home: Path) -> str:
    """Return the default dataset of a run: the user's own with most successes of `task`, where ENOUGH, else samples.

    A run that was started in the folder `run` keeps the one it started with.
    """
    if (run / "config.json").exists():
        return str(begun_with(run).get("dataset", ""))
    own = own_demonstrations(home, task)
    best = max(own, key=lambda name: (own[name], name == task), default="")
    return best if own.get(best, 0) >= ENOUGH else f"{SAMPLES}/{task}"


def default_explained(config: PipelineConfig) -> str:
    """Return in a sentence which dataset `usual_dataset` chose, and how to have the other."""
    samples = f"{SAMPLES}/{config.task}"
    if config.demonstrations == samples:
        return (
            f"Demonstrations: {samples}. Your own are the default from {ENOUGH} successes on; --dataset names others."
        )
    return f"Demonstrations: your own, in {config.dataset}; --dataset {samples} takes the samples."


def own_demonstrations(home: Path, task: str) -> dict[str, int]:
    """Return how many successes of `task` each dataset of the data home holds, but for samples; only where some are.

    What policies did is no demonstration, but in outside environments, where policies demonstrate.
    """
    found = {}
    for name in list_datasets(home):
        if name.startswith((f"{SAMPLES}/", COMPARISONS)) or not _may_hold(home / name, task):
            continue
        shown = Reader(home / name).list(task=task, outcome="success")
        count = sum(is_outside(task) or info.meta.device != "policy" for info in shown)
        if count:
            found[name] = count
    return found


def _may_hold(folder: Path, task: str) -> bool:
    """Whether a dataset may hold episodes of a task, by its manifest alone."""
    try:
        return read_json(folder / MANIFEST, dict).get("task") in (task, "mixed")
    except (OSError, CorruptFileError):
        return False


def begun_with(run: Path) -> Mapping[str, Any]:
    """Return the configuration of the run in a folder; empty where none was begun there, or it cannot be read."""
    try:
        return read_json(run / "config.json", dict)
    except (OSError, CorruptFileError):
        return {}


def usual_demos(config: PipelineConfig, run: Path, home: Path) -> int:
    """Return the default number of demonstrations of a run: all available ones, at most 25.

    A run that was started in the folder `run` keeps the number it started with.

    Raises:
        NotFoundError: there is no such dataset, or no success in it.
    """
    try:
        return int(begun_with(run)["demos"])
    except (ValueError, TypeError, LookupError):
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
