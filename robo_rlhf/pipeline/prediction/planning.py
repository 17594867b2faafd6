"""The plan of a task: demonstrations, answers and minutes that a success will probably take, and what saves most."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from robo_rlhf.core.errors import InvalidValueError
from robo_rlhf.core.types import Array, Episode
from robo_rlhf.feedback.quality.answer_times import AnswerTime
from robo_rlhf.pipeline.config import PipelineConfig
from robo_rlhf.pipeline.dataset_check import TRIM, quick_findings
from robo_rlhf.pipeline.demonstrations import find_demonstrations
from robo_rlhf.pipeline.prediction.cloning import clone_parts
from robo_rlhf.pipeline.prediction.model import (
    LEVEL,
    USUAL_ANSWERS,
    CurvePoint,
    Draws,
    EarlierRun,
    Range,
    draw,
    interval,
)
from robo_rlhf.pipeline.prediction.plan_file import count_text, range_json
from robo_rlhf.pipeline.report.failure_map import failing_starts
from robo_rlhf.pipeline.steps.cloning import trimmed
from robo_rlhf.sim.envs.current_observation import with_current_observations
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.external.ids import is_outside, naming

COPIES = 64  # of the environment
RESET = 10.0  # [s] of a person's time between two demonstrations


class Way(NamedTuple):
    """A way to the target, and the time of people that it takes [min]."""

    name: str
    minutes: Range


class _Cloned(NamedTuple):
    """What a short cloning of the demonstrations shows."""

    curve: Sequence[CurvePoint]
    worse: list[str]  # findings about the demonstrations, with advice
    starts: tuple[int, ...]  # seeds of starts like those from which it fails


def plan_task(
    task: str,
    dataset: str,
    home: Path,
    earlier: Sequence[EarlierRun],
    times: Sequence[AnswerTime],
    *,
    target: float = 90.0,
    cloning: float = 1.0,
    minutes: float = 15.0,
) -> dict[str, Any]:
    """Return the plan as a JSON object.

    Args:
        task: a native task, or the id of an outside environment.
        dataset: its demonstrations.
        home: the data home.
        earlier: runs that are done.
        times: how long people take to answer.
        target: success [%] at the end of an episode.
        cloning: [min] of the processor that cloning may take.
        minutes: [min] that the run will be given.

    Raises:
        NotFoundError: there is no such dataset, or no success of the task in it.
        InvalidValueError: it cannot be told: too few demonstrations, no success in the environment, too little time.
    """
    if not 1 <= target <= 99:
        raise InvalidValueError("--target", f"{target:g}", "a success from 1 to 99 %; no number of trials shows 100 %")
    source, ids = find_demonstrations(PipelineConfig(task=task, demos=1, dataset=dataset), home)
    episodes = list(with_current_observations(source.load_all(ids)))
    cloned = _clone(task, dataset, episodes, cloning)
    draws = draw(cloned.curve, earlier, task)
    share, demos = target / 100, len(episodes)
    each = min(times, key=lambda one: one.seconds / one.worth)
    shown = median(len(episode) * episode.meta.control_dt for episode in episodes) + RESET
    more = np.maximum(draws.demonstrations(share) - demos, 0)
    ways = [
        Way("answers", _minutes(draws.answers(share), each.seconds / each.worth)),
        Way("demonstrations", _minutes(more, shown)),
    ]
    plan = {
        "task": task,
        "dataset": dataset,
        "target": target,
        "level": LEVEL,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "demos": demos,
        "usual_answers": USUAL_ANSWERS,
        "curve": [list(point) for point in cloned.curve],
        "earlier": [run.source for run in earlier if run.task == task],
        "cloned": range_json(interval(draws.success(demos, 0))),
        "success": range_json(interval(draws.success(demos, USUAL_ANSWERS))),
        "chance": round(float((draws.success(demos, USUAL_ANSWERS) >= share).mean()), 3),
        "answers": range_json(interval(draws.answers(share))),
        "demonstrations": range_json(interval(draws.demonstrations(share))),
        "people": {way.name: range_json(way.minutes) for way in ways},
        "minutes": range_json(interval(minutes * draws.spent)) if np.isfinite(draws.spent).all() else None,
        "given": minutes,
    }
    return plan | {"advice": _advice(plan, ways, cloned, draws, share)}


def _clone(task: str, dataset: str, episodes: Sequence[Episode], minutes: float) -> _Cloned:
    """Return what a short cloning shows; raises as `plan_task`."""
    with closing(make_env(task, COPIES)) as env:
        width = episodes[0].obs.shape[1]
        if width != env.obs_dim:
            expected = f"{env.obs_dim} columns, those of the environment"
            raise InvalidValueError(f"observations in {dataset}", f"{width} columns", expected)
        curve, tried = clone_parts([trimmed(episode, TRIM) for episode in episodes], env, minutes)
        worse = [f"{f.check}: {f.found}. {f.advice}" for f in quick_findings(episodes, env) if not f.fine]
        failing = None if is_outside(task) else failing_starts(env, tried)
    return _Cloned(curve, worse, failing.seeds if failing is not None else ())


def _advice(plan: dict[str, Any], ways: Sequence[Way], cloned: _Cloned, draws: Draws, share: float) -> list[str]:
    """Return what would save most, the most of it first."""
    found = []
    answers, demonstrations = ways
    needed = interval(draws.demonstrations(share))
    if answers.minutes.value == demonstrations.minutes.value == 0:
        found.append("The demonstrations that there are will probably do by themselves.")
    elif answers.minutes.value <= demonstrations.minutes.value and np.isfinite(answers.minutes.value):
        found.append(f"Answers save most: about {answers.minutes.value:.0f} minutes of people's time.")
    elif np.isfinite(demonstrations.minutes.value):
        more = f"{count_text(needed, 'demonstrations')} in all"
        found.append(f"More demonstrations save most: {more}, about {demonstrations.minutes.value:.0f} minutes more.")
    else:
        found.append("Neither answers nor more of the same demonstrations will probably do; better ones may.")
    if cloned.starts:
        seeds = " ".join(str(seed) for seed in cloned.starts)
        how = f"robo-rlhf record {naming(plan['task'])} --seed {cloned.starts[0]}"
        found.append(f"Record where it fails: starts {seeds} are like those from which a clone fails (`{how}`).")
    return found + [f"Better demonstrations: {one}" for one in cloned.worse]


def _minutes(count: Array, seconds: float) -> Range:
    return interval(count * seconds / 60)
