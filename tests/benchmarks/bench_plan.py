"""What `robo-rlhf plan` predicts against what came: each measured run, predicted from all the others.

`make bench ARGS=tests/benchmarks/bench_plan.py` measures the missing learning curves of a minute (a row a task in
`results/plan.jsonl`), makes the table of earlier runs that ships from them, from the rows of the learning matrix and
from the runs of docs/benchmarks.md, and checks the intervals.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import robo_rlhf.pipeline.prediction.earlier as earlier
from robo_rlhf.core.files import SHIPPED, write_atomic
from robo_rlhf.core.learning import use_one_thread
from robo_rlhf.core.stats import wilson
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.pipeline.dataset_check import TRIM
from robo_rlhf.pipeline.prediction.cloning import clone_parts
from robo_rlhf.pipeline.prediction.model import DRAWS, CurvePoint, EarlierRun, draw, interval
from robo_rlhf.pipeline.prediction.planning import COPIES
from robo_rlhf.pipeline.steps.cloning import trimmed
from robo_rlhf.sim.envs.current_observation import with_current_observations
from robo_rlhf.sim.envs.task_env import make_env
from robo_rlhf.sim.tasks import TASKS
from tests.benchmarks.matrix import ARMS, LABELS, add_row, stored_rows

pytestmark = pytest.mark.bench
ROWS = Path(__file__).parent / "results" / "plan.jsonl"
TABLE = Path(earlier.__file__).with_name(earlier.TABLE)
EPISODES, FEWEST = 200, 5  # evaluation episodes of the older runs; runs that say anything of intervals
PAGE = "docs/benchmarks.md, 2026-11-21"
# of earlier versions of the recipe: task, demonstrations, answers, success [%] of the cloned and of the final policy
OLDER = (
    *(
        ("pick_place", 25, 200, *pair)
        for pair in ((97.5, 98.5), (98.5, 98.0), (91.0, 98.0), (93.5, 99.5), (90.5, 98.5))
    ),
    ("pick_place", 5, 200, 44.5, 67.0),
    ("pick_place", 5, 100, 44.5, 60.0),
    ("stack", 24, 200, 91.5, 99.5),
    ("stack", 24, 200, 92.0, 98.0),
    ("drawer_open", 24, 200, 97.5, 100.0),
)


def curves() -> dict[str, list[CurvePoint]]:
    """Return the learning curve of each task that was measured."""
    return {row["task"]: [CurvePoint(*point) for point in row["curve"]] for row in stored_rows(ROWS)}


def table() -> Iterator[EarlierRun]:
    """Yield the runs of the table that ships."""
    found = curves()
    for task, demos, answers, cloned, final in OLDER:
        yield EarlierRun(task, demos, answers, 0.0, cloned / 100, final / 100, EPISODES, source=PAGE)
    for row in stored_rows(Path(__file__).parent / "results" / "matrix.jsonl"):
        arm = ARMS.get(row["arm"])
        if arm is None or row["arm"] not in ("answers", "demo") or row["task"] not in TASKS:
            continue  # the others are given the environment's marks, or other demonstrations
        run = EarlierRun(
            row["task"], arm.demos, LABELS, arm.minutes, row["cloned"]["value"], row["final"]["value"], row["episodes"],
            spent=round(row["processor_s"] / 60, 2),
            source=f"learning matrix, {row['arm']}/{row['seed']}, {row['date']}",
        )  # fmt: skip
        point = next((one for one in found.get(row["task"], []) if one.demos == arm.demos), None)
        share = {} if point is None else {"trial": point.successes / point.episodes, "trial_episodes": point.episodes}
        yield replace(run, **share)


def test_measure_the_curves_and_make_the_table() -> None:
    """Clone for a minute in each task, and write the table."""
    use_one_thread()
    for task in TASKS:
        if task in curves():
            continue
        shown = with_current_observations(Dataset(SHIPPED / "samples" / task).load_all())
        kept = [trimmed(one, TRIM) for one in shown if one.meta.outcome == "success"]
        curve, _ = clone_parts(kept, make_env(task, COPIES), 1.0)
        add_row({"task": task, "curve": [list(point) for point in curve]}, ROWS)
        print(task, curve, flush=True)
    usual = {field.name: field.default for field in fields(EarlierRun)}
    runs = [{k: v for k, v in asdict(run).items() if v != usual[k]} for run in table()]
    lines = ",\n  ".join(json.dumps(run) for run in runs)
    text = f'{{"source": "made by tests/benchmarks/bench_plan.py", "runs": [\n  {lines}\n]}}\n'
    write_atomic(TABLE, text.encode())


def predictions(*, from_clone: bool) -> list[dict[str, Any]]:
    """Return for each measured run what is predicted of it from all the others.

    Args:
        from_clone: from the success of the run's own cloned policy, so that only what answers gain is predicted; else
            from the minute's curve of its task, where that is measured.
    """
    runs, known, found = earlier.shipped_runs(), curves(), []
    for run in runs:
        if from_clone:
            curve = [CurvePoint(run.demos, round(run.cloned * run.episodes), run.episodes)]
        elif run.task not in known or run.demos < known[run.task][-1].demos // 2:
            continue
        else:
            curve = known[run.task]
        draws = draw(curve, [one for one in runs if one is not run], run.task)
        if from_clone:
            share = np.random.default_rng(0).beta(
                curve[0].successes + 0.5, run.episodes - curve[0].successes + 0.5, DRAWS
            )
            draws = replace(draws, cloned=np.log(share / (1 - share)))
        row: dict[str, Any] = {"task": run.task, "source": run.source, "came": run.final}
        row["success"] = interval(draws.success(min(run.demos, draws.demos), run.answers))
        if run.spent is not None:
            row |= {"spent": run.spent, "minutes": interval(run.minutes * draws.spent)}
        found.append(row)
    return found


@pytest.mark.parametrize("from_clone", [False, True], ids=["from a minute's clone", "from the run's clone"])
def test_intervals_cover_what_came(from_clone: bool) -> None:
    """Success of each run, predicted from the others: intervals cover at least 80 %, and are at most 30 points wide."""
    found = predictions(from_clone=from_clone)
    if len(found) < FEWEST:
        pytest.skip(f"{len(found)} runs whose task has a curve, of at least {FEWEST}")
    for row in found:
        print(row["task"], row["source"], f"{row['came']:.3f}", [round(value, 3) for value in row["success"]])
    inside = [row["success"].low <= row["came"] <= row["success"].high for row in found]
    width = np.mean([row["success"].high - row["success"].low for row in found])
    print(f"success: {wilson(sum(inside), len(inside))}, {100 * width:.1f} points wide")
    timed = [row for row in found if "minutes" in row]
    kept = [row["minutes"].low <= row["spent"] <= row["minutes"].high for row in timed]
    spread = np.mean([(row["minutes"].high - row["minutes"].low) / row["minutes"].value for row in timed])
    print(f"minutes: {wilson(sum(kept), len(kept))}, {100 * spread:.0f} % of the middle wide")
    assert np.mean(inside) >= 0.8, found
    assert width <= 0.3, found
