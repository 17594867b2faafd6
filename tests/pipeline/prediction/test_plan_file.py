"""Plans beside datasets, what is said of them afterwards, and earlier runs of a home."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from robo_rlhf.core.files import make_folder, write_atomic, write_json
from robo_rlhf.core.json_lines import sealed_lines
from robo_rlhf.pipeline.prediction.earlier import minutes_of_work, runs_of
from robo_rlhf.pipeline.prediction.model import Range
from robo_rlhf.pipeline.prediction.plan_file import (
    came_text,
    count_text,
    plan_before,
    plan_path,
    plan_words,
    range_json,
    range_of,
    store_plan,
    stored_plan,
)

MADE = "2026-12-01T10:00:00+00:00"
MADE_AT = datetime.fromisoformat(MADE).timestamp()
INF = float("inf")


def a_plan(**more: Any) -> dict[str, Any]:
    found = {
        "task": "reach",
        "dataset": "mine",
        "target": 90.0,
        "level": 0.9,
        "made": MADE,
        "demos": 8,
        "usual_answers": 200,
        "curve": [[4, 20, 64], [8, 32, 64]],
        "cloned": range_json(Range(0.6, 0.4, 0.8)),
        "success": range_json(Range(0.9, 0.7, 0.97)),
        "answers": range_json(Range(100, 60, 140)),
        "demonstrations": range_json(Range(30, 16, INF)),
        "advice": ["Answers save most."],
    }
    return {**found, **more}


def test_a_plan_is_read_as_it_was_kept_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    assert stored_plan(tmp_path, "reach", "mine") is None
    path = store_plan(tmp_path, a_plan())
    assert path == plan_path(tmp_path, "reach", "mine") == tmp_path / "mine" / "plan-reach.json"
    found = stored_plan(tmp_path, "reach", "mine")
    assert found is not None
    assert range_of(found["demonstrations"]) == Range(30, 16, INF)
    assert plan_before(tmp_path, "reach", "mine", MADE_AT + 1) is not None
    assert plan_before(tmp_path, "reach", "mine", MADE_AT - 1) is None, "it was made after the run began"
    store_plan(tmp_path, a_plan(answers=7))
    assert stored_plan(tmp_path, "reach", "mine") is None
    write_atomic(path, path.read_bytes()[:-40])
    assert stored_plan(tmp_path, "reach", "mine") is None
    assert plan_path(tmp_path, "Meta-World/MT1:reach-v3", "").name == "plan-Meta-World-MT1-reach-v3.json"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Range(100, 60, 140), "60 to 140 answers"),
        (Range(100, 60, INF), "60 to more than 5,000 answers"),
        (Range(INF, INF, INF), "more than 5,000 answers"),
        (Range(0, 0, 0), "0 answers"),
    ],
)
def test_counts_in_words(found: Range, text: str) -> None:
    assert count_text(found, "answers") == text


def test_what_came_stands_beside_what_was_planned() -> None:
    assert came_text(a_plan(), 96, 200, 0.95) == (
        "For 90 % planned 60 to 140 answers, took 96 (as planned); it ends at 95.0 %."
    )
    assert "took 180; it ends" in came_text(a_plan(), 180, 200, 0.95)
    assert "not reached with 200; it ends at 70.0 %" in came_text(a_plan(), None, 200, 0.7)
    assert "not reached with 100 (as planned)" in came_text(a_plan(), None, 100, 0.7)


def test_a_plan_in_words() -> None:
    takes, comes, advice = plan_words(a_plan())
    assert takes == (
        "90 % probably takes 60 to 140 answers with these 8 demonstrations, "
        "or 16 to more than 1,000 demonstrations alone."
    )
    assert comes == "With 200 answers it comes to 70 to 97 %."
    assert advice == "Answers save most."


def a_run(home: Path, name: str, *, minutes: float = 15.0, begun: float = MADE_AT + 10) -> None:
    folder = home / "runs" / name
    make_folder(folder)
    config = {"task": "reach", "demos": 8, "labels": 120, "minutes": minutes, "dataset": "mine"}
    write_json(folder / "config.json", config)
    both = {when: {"success": {"value": share}, "episodes": 200} for when, share in (("before", 0.7), ("after", 0.9))}
    write_json(folder / "result.json", both)
    events = [
        {"time": begun, "event": "session"},
        {"time": begun + 60, "event": "begin", "stage": "round-1/answer"},
        {"time": begun + 660, "event": "end", "stage": "round-1/answer"},
        {"time": begun + 720, "event": "begin", "stage": "after"},
        {"time": begun + 9000, "event": "session"},
        {"time": begun + 9060, "event": "end", "stage": "after"},
    ]
    write_atomic(folder / "events.jsonl", sealed_lines(events))
    assert minutes_of_work(events) == 3.0, "without the time of people, and between sessions"


def test_runs_of_the_home_are_read_with_the_trial_of_their_plan(tmp_path: Path) -> None:
    store_plan(tmp_path, a_plan())
    a_run(tmp_path, "older", begun=MADE_AT - 10_000)
    a_run(tmp_path, "one")
    a_run(tmp_path, "quick", minutes=0.0)
    a_run(tmp_path, "torn")
    (tmp_path / "runs" / "torn" / "result.json").write_text("{")
    found = {run.source: run for run in runs_of(tmp_path)}
    assert set(found) == {"run older", "run one"}
    one = found["run one"]
    assert (one.answers, one.cloned, one.final, one.spent) == (120, 0.7, 0.9, 3.0)
    assert (one.trial, one.trial_episodes) == (0.5, 64)
    assert found["run older"].trial is None, "its plan was made later"
