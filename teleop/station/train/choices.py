"""What can be trained: tasks and environments, and the datasets that hold demonstrations of each, one's own first."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.pipeline.demonstrations import COMPARISONS, ENOUGH
from robo_rlhf.sim.external.ids import is_outside
from teleop.station.library.edits import Library
from teleop.station.operate import launch_options

PATIENCE = 5.0  # [s] for the index of a data home that was never read, or of many thousand episodes


@dataclass
class DatasetChoice:
    """A dataset that holds demonstrations of a task."""

    name: str
    task: str
    sample: bool
    episodes: int = 0
    successes: int = 0
    mine: int = 0  # successes that the user drove
    people: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """Return it as a page gets it."""
        return {
            "name": self.name,
            "sample": self.sample,
            "episodes": self.episodes,
            "successes": self.successes,
            "mine": self.mine,
            "people": sorted(self.people)[:5],
        }


def dataset_choices(library: Library, person: str) -> dict[str, list[DatasetChoice]]:
    """Return by task the datasets with successes of it: what the person drove first, then others' own, then samples."""
    end = time.monotonic() + PATIENCE
    while (read := library.index.refresh()).done < read.total and time.monotonic() < end:
        continue  # it reads a part at a time
    found: dict[tuple[str, str], DatasetChoice] = {}
    for entry in library.index.entries():
        task, name, meta = entry.meta.task, entry.key.dataset, entry.meta
        driven = meta.device != "policy" or is_outside(task)
        if name.startswith(COMPARISONS) or not driven:
            continue
        one = found.setdefault((task, name), DatasetChoice(name, task, name.startswith(f"{SAMPLES}/")))
        one.episodes += 1
        one.successes += meta.outcome == "success"
        one.mine += meta.outcome == "success" and meta.operator == person
        one.people.add(meta.operator)
    by_task: dict[str, list[DatasetChoice]] = {}
    for one in sorted(found.values(), key=_order):
        if one.successes:
            by_task.setdefault(one.task, []).append(one)
    return by_task


def usual(choices: Iterable[DatasetChoice]) -> tuple[str, str]:
    """Return the dataset that is chosen first, and why in words: one's own where it is enough, else the samples."""
    listed = list(choices)
    own = [one for one in listed if not one.sample]
    enough = next((one for one in own if one.successes >= ENOUGH), None)
    if enough is not None:
        return enough.name, ""
    samples = next((one for one in listed if one.sample), None)
    if samples is None:
        return (own[0].name, f"Fewer than {ENOUGH} successes: the policy may learn little.") if own else ("", "")
    few = f"{own[0].name} holds {own[0].successes}" if own else "none are yet"
    return samples.name, f"Samples, because {ENOUGH} successes of your own are needed to learn from them alone: {few}."


def task_names(by_task: Iterable[str]) -> list[dict[str, str]]:
    """Return the tasks and environments that can be trained: all native ones, and what there are demonstrations of."""
    native = [{"name": task.name, "about": task.about} for task in launch_options.tasks()]
    known = {task["name"] for task in native}
    other = [name for name in sorted(by_task) if name not in known]
    return native + [{"name": name, "about": "An environment with recorded demonstrations."} for name in other]


def _order(one: DatasetChoice) -> tuple[Any, ...]:
    return one.sample, -one.mine, -one.successes, one.name != one.task, one.name
