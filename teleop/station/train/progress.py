"""How far a run is, what it does, and how long it will take: from its folder, and from finished runs like it."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from robo_rlhf.core.errors import CorruptFileError
from robo_rlhf.core.files import read_whole
from robo_rlhf.core.json_lines import row_of
from teleop.station.monitor.runs import RunIndex
from teleop.station.train.queue import Job

WORDS = {
    "clone": "imitating the demonstrations",
    "before": "measuring the cloned policy",
    "collect": "trying the policy out",
    "ask": "choosing what to ask",
    "answer": "collecting answers",
    "reward": "learning the reward",
    "finetune": "fine-tuning",
    "after": "measuring the result",
}
WEIGHTS = {"clone": 25, "before": 6, "collect": 3, "ask": 2, "answer": 0, "reward": 12, "finetune": 40, "after": 6}
LIKE = 3  # finished runs of the same kind whose times count
TRUSTED = 0.2  # share of a run after which its own pace says more than that of others


class Size(NamedTuple):
    """How much a run learns, and how long that takes where nothing like it was measured here yet."""

    title: str
    about: str
    seconds: float  # measured on two idle cores, pick_place with simulated answers


SIZES = {
    "default": Size("Full", "It measures what its work costs here, and decides from the minutes and the answers.", 900),
    "quick": Size("Quick", "Few updates: shows whether it learns, and how.", 80),
    "tiny": Size("Trial", "Seconds, to see that everything works; the policy is of no use.", 20),
}


class Progress(NamedTuple):
    """How far a run is."""

    share: float  # 0 to 1
    words: str
    left: float | None  # [s] of work, without the time of people; None: unknown


def progress(runs: RunIndex, job: Job, expected: float) -> Progress:
    """Return how far a run is, which is expected to take so many seconds of work in all."""
    if job.line is None or job.line.kind != "main":
        return Progress(0.0, job.line.stage if job.line is not None else "", None)
    folder = runs.home / job.name
    config = runs.json(folder / "config.json")
    plan = _plan(int(config.get("rounds", 1)), demos=bool(config.get("demos", 1)))
    done, words = 0.0, ""
    for stage, weight in plan:
        if (folder / stage / "result.json").exists():
            done += weight
        elif (folder / stage).exists():
            done += weight * _part(runs, job.name, folder / stage, config)
            head, _, name = stage.rpartition("/")
            words = WORDS.get(name, name)
            words = f"round {head.removeprefix('round-')} of {config.get('rounds')}, {words}" if head else words
    share = done / sum(weight for _, weight in plan)
    if job.state == "finished":
        return Progress(1.0, "", 0.0)
    return Progress(share, words or job.line.stage.replace("_", " "), _left(folder, share, expected))


def expected_seconds(runs: RunIndex, jobs: Iterable[Job], task: str, size: str, minutes: float) -> tuple[float, str]:
    """Return how long a run of a task and a size takes [s], and the run that says so; empty where none does."""
    if size == "default":  # the recipe keeps to its budget
        return 60 * minutes, ""
    done = [job for job in jobs if job.state == "finished" and job.training is not None]
    same = [
        job for job in done if job.training and (job.training.task, job.training.option("--preset")) == (task, size)
    ]
    took = [(found, job.name) for job in same[:LIKE] if (found := _took(runs.home / job.name)) is not None]
    return (median(seconds for seconds, _ in took), took[0][1]) if took else (SIZES[size].seconds, "")


def _plan(rounds: int, *, demos: bool) -> list[tuple[str, float]]:
    """Return the stages of a run in order, each with about what it costs."""
    whole = sum(range(1, rounds + 1))
    plan: list[tuple[str, float]] = [("clone", WEIGHTS["clone"] if demos else 0), ("before", WEIGHTS["before"])]
    for number in range(1, rounds + 1):
        plan += [(f"round-{number}/{name}", WEIGHTS[name]) for name in ("collect", "ask", "answer", "reward")]
        plan.append((f"round-{number}/finetune", WEIGHTS["finetune"] * number / whole))  # later rounds take longer
    return [*plan, ("after", WEIGHTS["after"])]


def _part(runs: RunIndex, name: str, stage: Path, config: Mapping[str, Any]) -> float:
    """Return how much of a stage that trains is done."""
    row = runs.rows(name, stage / "metrics.jsonl").last or {}
    step, rounds = float(row.get("step", 0)), int(config.get("rounds", 1))
    with suppress(LookupError, TypeError, ValueError, ZeroDivisionError):
        if stage.name == "clone":
            return min(step / float(config["clone"]["updates"]), 1.0)
        if stage.name == "finetune":
            own = int(stage.parent.name.removeprefix("round-"))
            learner = "finetune" if config.get("learner") == "ppo" and config.get("demos") else "sac"
            return min(step / (float(config[learner]["iterations"]) * own / sum(range(1, rounds + 1))), 1.0)
    return 0.0


def _left(folder: Path, share: float, expected: float) -> float:
    """Return how many seconds of work are left: by the run's own pace, or as expected where it was interrupted."""
    events = _events(folder)
    sessions = [event for event in events if event.get("event") == "session"]
    if share > TRUSTED and len(sessions) == 1:
        worked = events[-1]["time"] - sessions[0]["time"] - _answering(events)
        return float(worked / share * (1 - share)) if worked > 0 else expected * (1 - share)
    return expected * (1 - share)


def _took(folder: Path) -> float | None:
    """Return how long a finished run worked [s], without waiting for people; None where it was interrupted."""
    events = _events(folder)
    if sum(event.get("event") == "session" for event in events) != 1:
        return None
    with suppress(OSError):
        return float(os.stat(folder / "result.json").st_mtime - events[0]["time"] - _answering(events))
    return None


def _answering(events: list[dict[str, Any]]) -> float:
    """Return how long a run waited for answers [s]."""
    waits = [event for event in events if str(event.get("stage", "")).endswith("/answer")]
    ended = sum(event["time"] for event in waits if event["event"] == "end")
    begun = sum(event["time"] for event in waits if event["event"] == "begin")
    open_ones = sum(event["event"] == "begin" for event in waits) - sum(event["event"] == "end" for event in waits)
    return float(ended - begun + open_ones * events[-1]["time"]) if waits else 0.0


def _events(folder: Path) -> list[dict[str, Any]]:
    """Return the events of a run; damaged lines are left out, and its last one may be torn."""
    found = []
    with suppress(OSError, CorruptFileError):
        for line in read_whole(folder / "events.jsonl", "").split(b"\n"):
            with suppress(ValueError):
                event = row_of(line)
                if isinstance(event.get("time"), int | float):
                    found.append(event)
    return found
