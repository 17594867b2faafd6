"""The monitor's view of one run: curves, evaluations, the reward model, gates, alarms, labels and events, as JSON.

A page names what it has of each curve and gets the rest. Numbers that are not finite are null.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robo_rlhf.core.stats import wilson
from robo_rlhf.training_tools.gates import Measurement, over_optimised
from teleop.station.monitor.clips import clips
from teleop.station.monitor.runs import ABOUT, EVENT_ROWS, Have, RunIndex, RunLine, RunStage
from teleop.station.monitor.tail import Row, numbers

VIDEOS = "clips/before-after"  # in the folder of a run: clips of its evaluations, as the report shows them
EVENTS = 120  # shown, the newest
ALARM_WINDOW = 5  # iterations, as the gates have it
QUIET = ("iteration",)  # events that the curves show
Json = dict[str, Any]


def run_view(book: RunIndex, line: RunLine, have: Have) -> Json:
    """Return the view of a run; of the curves only the rows that the page does not have yet."""
    folder = book.home / line.name
    stages = book.stages(line.name)
    events = newest_events(book, line.name, stages)
    judged = reward_scores(book, line, stages, events)
    truths = {stage.name: truth(book, line.name, stage) for stage in stages}
    return {
        **as_json(line),
        "curves": [curve(book, line.name, stage, have) for stage in stages],
        "truth": [{"stage": name, "rows": rows} for name, rows in truths.items() if rows],
        "evaluations": evaluations(book, folder),
        "reward": judged,
        "people_agree": _agreement(book, stages, events),
        "gates": [_gate(event) for event in events if event.get("event") == "gate"],
        "alarms": alarms(book, line.name, stages, truths, events),
        "ratings": ratings(book, folder),
        "times": {stage.name: found for stage in stages if (found := book.times(stage.folder))},
        "episode_steps": book.episode_steps(folder),
        "config": _leaves(book.json(folder / "config.json")),
        "notes": _text(book.json(folder / ABOUT).get("notes")),
        "report": (folder / "report.html").is_file(),
        "clips": clips(folder),
        "videos": sorted(path.name for path in (folder / VIDEOS).glob("*.mp4")),
        "events": [_event_line(event) for event in events if event.get("event") not in QUIET][:EVENTS],
    }


def _leaves(settings: Mapping[str, Any], within: str = "") -> dict[str, str]:
    """Return settings within settings by their dotted names, each as text."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{within}{name}.")
        elif name != "seal":
            found[f"{within}{name}"] = _short(value)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_json(line: RunLine) -> Json:
    """Return a run's line in the list."""
    name, values = line.spark
    return _finite({**line._asdict(), "spark": {"name": name, "values": values}})


def curve(book: RunIndex, name: str, stage: RunStage, have: Have) -> Json:
    """Return the metrics of a stage, column by column, from the first row that the page does not have."""
    tail = book.rows(name, stage.folder / "metrics.jsonl")
    epoch, known = have.get(stage.name, (-1, 0))
    start = known if epoch == tail.epoch and known <= len(tail.rows) else 0
    rows = [numbers(row) for row in tail.rows[start:]]
    last = numbers(tail.last or {})
    names = sorted({key for row in [*rows, last] for key in row} - {"step"})
    return {
        "stage": stage.name,
        "track": stage.track,
        "round": stage.round,
        "epoch": tail.epoch,
        "from": start,
        "step": [row.get("step") for row in rows],
        "values": {key: [row.get(key) for row in rows] for key in names},
        "last": last,
    }


def truth(book: RunIndex, name: str, stage: RunStage) -> list[Json]:
    """Return the true return of the learner's own episodes, which is only displayed."""
    tail = book.rows(name, stage.folder / "truth.jsonl")
    found = []
    for row in map(numbers, tail.newest()):
        if not {"step", "success", "return"} <= row.keys():
            continue
        episodes = round(row.get("episodes", 0))
        share = wilson(round(row["success"] * episodes), episodes) if episodes else None
        error = row.get("return_std", 0.0) / math.sqrt(episodes) if episodes else 0.0
        found.append(
            {
                "step": row["step"],
                "success": row["success"],
                "low": share.low if share else row["success"],
                "high": share.high if share else row["success"],
                "return": row["return"],
                "error": 1.96 * error,
                "episodes": episodes,
            }
        )
    return found


def evaluations(book: RunIndex, folder: Path) -> list[Json]:
    """Return the success of the policies that were evaluated on separate seeds, with intervals."""
    found = []
    for name, word in (("before", "cloned"), ("after", "fine-tuned")):
        stored = book.json(folder / name / "result.json")
        ends = stored.get("success_end")
        if isinstance(ends, list) and ends:
            share = wilson(sum(map(bool, ends)), len(ends))
            found.append({"name": word, "episodes": len(ends), **share._asdict()})
    return found


def reward_scores(book: RunIndex, line: RunLine, stages: Sequence[RunStage], events: Sequence[Row]) -> list[Json]:
    """Return how well each reward model predicts answers that it was not trained on, oldest first."""
    found = []
    for stage in stages:
        stored = book.json(stage.folder / "result.json")
        if isinstance(stored.get("held_out"), dict):
            name = f"round {stage.round}" if stage.round else (stage.name or line.name)
            found.append(_scores(name, stored["held_out"], stored.get("trained", {}), stored.get("disagreement")))
    if line.follows:
        updates = [event for event in reversed(events) if event.get("event") == "updated" and "held_out" in event]
        found += [
            _scores(_clock(event), event["held_out"], {"answers": event.get("answers")}, event.get("disagreement"))
            for event in updates[-1:]
        ]
    return found


def ratings(book: RunIndex, folder: Path) -> Json | None:
    """Return the ratings of an arena, where the run is one; None else."""
    stored = book.json(folder / "ratings.json")
    return _finite(stored) if stored else None


def alarms(
    book: RunIndex, name: str, stages: Sequence[RunStage], truths: Mapping[str, Sequence[Json]], events: Iterable[Row]
) -> list[Json]:
    """Return the iterations in which the learned reward is over-optimised against the true one."""
    found = [
        {"stage": event["stage"], "why": str(event.get("why", ""))}
        for event in events
        if str(event.get("event", "")).startswith(("over-optimised", "rolled back"))
    ]
    reported = {alarm["stage"] for alarm in found}
    for stage in stages:
        if stage.name in reported or not truths.get(stage.name):
            continue
        learned = {row.get("step"): row for row in book.rows(name, stage.folder / "metrics.jsonl").newest()}
        history = [
            Measurement(float(learned[row["step"]]["reward"]), round(row["success"] * row["episodes"]), row["episodes"])
            for row in truths[stage.name]
            if "reward" in learned.get(row["step"], {})
        ]
        why = over_optimised(history, window=ALARM_WINDOW)
        if why:
            found.append({"stage": stage.name, "why": why})
    return found


def newest_events(book: RunIndex, name: str, stages: Sequence[RunStage]) -> list[Row]:
    """Return the events of a run and of its stages, newest first, each with its stage."""
    folder = book.home / name
    places = {"": folder} | {stage.name: stage.folder for stage in stages}
    rows = [
        {**row, "stage": row.get("stage") or place}
        for place, path in places.items()
        for row in book.rows(name, path / "events.jsonl", EVENT_ROWS).newest()
        if isinstance(row.get("time"), int | float)
    ]
    return sorted(rows, key=lambda row: -row["time"])


def _scores(name: str, held: Mapping[str, Any], trained: Mapping[str, Any], disagreement: Any) -> Json:
    """Return the scores of one reward model, its accuracy and its calibration with intervals."""
    sided, accuracy = held.get("sided") or 0, held.get("accuracy")
    share = wilson(round(accuracy * sided), sided) if sided and accuracy is not None else None
    bins = []
    for one in held.get("bins", ()):
        right = wilson(round(one["accuracy"] * one["answers"]), one["answers"])
        bins.append({"confidence": one["confidence"], "answers": one["answers"], **right._asdict()})
    return _finite(
        {
            "name": name,
            "answers": trained.get("answers") or held.get("answers"),
            "held_out": sided,
            "accuracy": share._asdict() if share else None,
            "log_loss": held.get("log_loss"),
            "ece": held.get("ece"),
            "disagreement": disagreement,
            "bins": bins,
        }
    )


def _agreement(book: RunIndex, stages: Sequence[RunStage], events: Sequence[Row]) -> float | None:
    """Return the agreement between annotators, from the data of the newest reward model."""
    newest = next((event for event in events if event.get("event") == "updated"), {})
    reported = [book.json(stage.folder / "result.json").get("agreement") for stage in reversed(stages)]
    for found in (newest.get("agreement"), *reported):
        if isinstance(found, dict) and found.get("between_people") is not None:
            return float(found["between_people"])
    return None


def _gate(event: Row) -> Json:
    return _finite({key: event.get(key) for key in ("round", "accepted", "reason", "difference", "episodes", "time")})


def _event_line(event: Row) -> Json:
    """Return an event as one line of the log."""
    rest = {key: value for key, value in event.items() if key not in ("time", "event", "stage", "held_out")}
    parts = [
        f"{key.replace('_', ' ')} {_short(value)}" for key, value in rest.items() if value not in (None, [], {}, "")
    ]
    return {
        "time": event["time"],
        "event": str(event.get("event", "")),
        "stage": event["stage"],
        "text": ", ".join(parts),
    }


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_short(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, list):
        return "; ".join(_short(part) for part in value)
    return str(value)


def _clock(event: Row) -> str:
    return f"update with {event.get('answers', 0)} answers"


def _finite(found: Mapping[str, Any]) -> Json:
    """Return a JSON object with null in place of numbers that JSON does not know."""
    return {str(key): _plain(value) for key, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _finite(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
