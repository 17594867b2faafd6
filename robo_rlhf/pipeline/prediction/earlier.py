"""What earlier runs of the main job came to: those of a data home, and a table of measured ones that ships.

`earlier_runs.json` is made from the rows of the project's learning matrix and of its benchmarks page, see there.
"""

from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from robo_rlhf.core.checks import RUNS
from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import read_json
from robo_rlhf.core.json_lines import read_lines
from robo_rlhf.pipeline.prediction.model import EarlierRun
from robo_rlhf.pipeline.prediction.plan_file import plan_before

TABLE = "earlier_runs.json"
NEWEST = 200  # runs of a home that are read


def shipped_runs() -> list[EarlierRun]:
    """Return the runs of the table that ships."""
    rows = read_json(Path(__file__).with_name(TABLE), list, entry="runs")
    return [EarlierRun(**row) for row in rows]


def runs_of(home: Path) -> list[EarlierRun]:
    """Return the finished runs of the main job in a data home that had demonstrations and a budget in minutes."""
    found = []
    folders = [path.parent for path in (home / RUNS).glob("*/result.json")]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime)[-NEWEST:]:
        with suppress(CorruptFileError, LookupError, TypeError, ValueError, OSError):
            config, result = (read_json(folder / name, dict) for name in ("config.json", "result.json"))
            if config.get("demos") and config.get("minutes") and "after" in result:
                found.append(_run(folder, home, config, result))
    return found


def _run(folder: Path, home: Path, config: Mapping[str, Any], result: Mapping[str, Any]) -> EarlierRun:
    events = read_lines(folder / "events.jsonl", lambda row: isinstance(row.get("time"), int | float))
    plan = plan_before(home, str(config["task"]), str(config.get("dataset", "")), events[0]["time"])
    same = [point for point in plan["curve"] if point[0] == config["demos"]] if plan else []
    trial = {"trial": same[0][1] / same[0][2], "trial_episodes": same[0][2]} if same else {}
    return EarlierRun(
        str(config["task"]),
        int(config["demos"]),
        int(config["labels"]),
        float(config["minutes"]),
        float(result["before"]["success"]["value"]),
        float(result["after"]["success"]["value"]),
        int(result["after"]["episodes"]),
        spent=minutes_of_work(events),
        source=f"run {folder.name}",
        **trial,
    )


def minutes_of_work(events: list[dict[str, Any]]) -> float | None:
    """Return how long a run worked [min], without the time between sessions and that in which it waited for answers."""
    worked = 0.0
    for one, after in pairwise(events):
        waited = after["event"] == "end" and str(after.get("stage", "")).endswith("/answer")
        worked += 0.0 if waited or after["event"] == "session" else after["time"] - one["time"]
    return worked / 60 or None
