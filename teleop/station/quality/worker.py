"""Computes quality reports of answers for the station, in a separate process, so that no request waits for it."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from robo_rlhf.feedback.quality.ambiguous import ambiguous
from robo_rlhf.feedback.quality.report import as_json, plain, report
from robo_rlhf.feedback.quality.trend import over_time
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import questions
from teleop.station.background.with_errors import Answer, with_store

MOST_NAMES = 500  # tasks, and runs, that can be chosen


def quality_view(store: Store, run: str | None, task: str | None) -> dict[str, Any]:
    """Return the quality page's report of the answers to a run's questions, or about a task."""
    mark = store.mark()
    quality = report(store, run=run, task=task)
    unclear = [plain(one) for one in ambiguous(store, quality, run=run, task=task)]
    trend = plain(over_time(store, run=run, task=task))
    return {**as_json(quality), "trend": trend, "ambiguous": unclear, "mark": mark, **_choices(store)}


def _choices(store: Store) -> dict[str, list[str]]:
    """Return the tasks and runs that were asked about."""
    with store.database.read() as connection:
        tasks = connection.scalars(sa.select(questions.c.task).distinct().order_by(questions.c.task).limit(MOST_NAMES))
        runs = connection.scalars(sa.select(questions.c.run).distinct().order_by(questions.c.run).limit(MOST_NAMES))
        return {"tasks": list(tasks), "runs": list(runs)}


def start(database: str) -> Callable[[Any], Answer]:
    """Return what answers a pair of run and task in the worker process."""
    return with_store(database, lambda store, chosen: quality_view(store, *chosen))
