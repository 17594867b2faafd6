"""The plan of a task beside its dataset, `plan-TASK.json`, and what is said of it after a run; loads little."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from robo_rlhf.core.checks import SAMPLES
from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import make_folder, read_json, write_json
from robo_rlhf.pipeline.prediction.model import MOST_ANSWERS, MOST_DEMOS, Range


def plan_path(home: Path, task: str, dataset: str) -> Path:
    """Return where the plan of a task is, in the data home also where the dataset is one of those that ship."""
    return home / (dataset or f"{SAMPLES}/{task}") / f"plan-{re.sub(r'[^A-Za-z0-9._+=@-]', '-', task)}.json"


def store_plan(home: Path, plan: Mapping[str, Any]) -> Path:
    """Write a plan beside its dataset, in the place of an older one; return where."""
    path = plan_path(home, plan["task"], plan["dataset"])
    make_folder(path.parent)
    write_json(path, dict(plan))
    return path


def stored_plan(home: Path, task: str, dataset: str) -> dict[str, Any] | None:
    """Return the plan of a task beside a dataset; None where none was made, or it is damaged."""
    path = plan_path(home, task, dataset)
    with suppress(CorruptFileError, OSError, TypeError, ValueError):
        plan = read_json(path, dict)
        datetime.fromisoformat(plan["made"])
        for name in ("answers", "demonstrations", "cloned", "success"):
            range_of(plan[name])
        return plan if plan["task"] == task and plan["curve"] else None
    return None


def plan_before(home: Path, task: str, dataset: str, begun: float) -> dict[str, Any] | None:
    """Return the plan as it was made before a run was begun [s since 1970]; None where there was none."""
    plan = stored_plan(home, task, dataset)
    made_before = plan is not None and datetime.fromisoformat(plan["made"]).timestamp() <= begun
    return plan if made_before else None


def range_of(stored: Mapping[str, Any]) -> Range:
    """Return a stored range, in which null is more than anybody would give.

    Raises:
        TypeError, KeyError: it is none.
    """
    return Range(*(float("inf") if stored[name] is None else float(stored[name]) for name in Range._fields))


def range_json(found: Range) -> dict[str, float | None]:
    """Return a range as `range_of` reads it."""
    return {name: None if value == float("inf") else round(value, 4) for name, value in found._asdict().items()}


def count_text(found: Range, what: str) -> str:
    """Return a range of answers or demonstrations in words."""
    low, high = (round(value) if value != float("inf") else None for value in (found.low, found.high))
    most = round(MOST_ANSWERS if what == "answers" else MOST_DEMOS)
    if low is None:
        return f"more than {most:,} {what}"
    if high is None:
        return f"{low:,} to more than {most:,} {what}"
    return f"{low:,} {what}" if low == high else f"{low:,} to {high:,} {what}"


def plan_words(plan: Mapping[str, Any]) -> list[str]:
    """Return a plan in sentences: what it takes, what comes without more, and what would save most."""
    answers, demonstrations = range_of(plan["answers"]), range_of(plan["demonstrations"])
    low, high = range_of(plan["success"])[1:]
    takes = f"{plan['target']:g} % probably takes {count_text(answers, 'answers')} with these {plan['demos']}"
    takes += f" demonstrations, or {count_text(demonstrations, 'demonstrations')} alone."
    comes = f"With {plan['usual_answers']} answers it comes to {100 * low:.0f} to {100 * high:.0f} %."
    return [takes, comes, *map(str, plan["advice"])]


def came_text(plan: Mapping[str, Any], took: int | None, asked: int, final: float) -> str:
    """Return what was planned beside what came, in sentences.

    Args:
        plan: as stored.
        took: the answers that there were when the success was reached for good; None where it was not.
        asked: all answers.
        final: success at the end.
    """
    planned = range_of(plan["answers"])
    came = f"took {took:,}" if took is not None else f"not reached with {asked:,}"
    text = f"For {plan['target']:g} % planned {count_text(planned, 'answers')}, {came}"
    inside = took is not None and planned.low <= took <= planned.high
    inside |= took is None and planned.high > asked
    return f"{text}{' (as planned)' if inside else ''}; it ends at {100 * final:.1f} %."
