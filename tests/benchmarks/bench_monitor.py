"""Latency of the monitor over many long runs, and of the quality page over a million answers.

`pytest -m bench -s tests/benchmarks/bench_monitor.py`.
"""

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.cli.table import print_rows
from robo_rlhf.core.runs import Run
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, questions
from teleop.station.app import create_app
from teleop.station.quality.cache import ReportKey
from teleop.station.services import Station

pytestmark = pytest.mark.bench
ORIGIN = "http://localhost"
RUNS, ROWS, SHOWN = 50, 100_000, 6
ANSWERS, PEOPLE, OVERLAP, AT_ONCE = 1_000_000, 200, 3, 20_000


@pytest.fixture
def station(home: Path) -> Iterator[Station]:
    station = Station(home)
    yield station
    station.close()


@pytest.fixture
def client(station: Station) -> Iterator[TestClient]:
    """A browser of an operator."""
    with TestClient(create_app(station), base_url=ORIGIN, headers={"origin": ORIGIN}) as client:
        link = station.people.sessions.link(station.people.add("olga", "operator"))
        assert client.post("/enter", json={"token": link}).status_code == 200
        yield client


def long_run(home: Path, number: int, content: bytes) -> None:
    run = Run(home / "runs" / f"run-{number:02d}", {"task": "pick_place", "demos": 25})
    for stage in ("round-1/reward", "round-1/finetune"):
        child = run.child(stage, {})
        (child.path / "metrics.jsonl").write_bytes(content if stage.endswith("finetune") else content[:200_000])
    for event in range(200):
        run.event("iteration", step=event)


def test_fifty_runs_of_a_hundred_thousand_rows_open_in_a_second(home: Path, client: TestClient) -> None:
    names = ("reward", "reward_std", "anchor_kl", "entropy", "value_loss", "approx_kl", "clip_fraction", "std")
    row = {name: 0.123456789 for name in names}
    lines = [json.dumps({"step": step, **row, "reward": step / ROWS}) + "\n" for step in range(1, ROWS + 1)]
    content = "".join(lines).encode()
    for number in range(RUNS):
        long_run(home, number, content)
    began = time.perf_counter()
    assert client.get("/monitor").status_code == 200
    page = time.perf_counter() - began
    found = [client.get("/api/monitor/run", params={"name": f"run-{i:02d}"}) for i in range(SHOWN)]
    opened = time.perf_counter() - began
    again = []
    for _ in range(5):
        with (home / "runs" / "run-00" / "round-1" / "finetune" / "metrics.jsonl").open("a") as file:
            file.write(lines[-1])
        curves = found[0].json()["curves"]
        have = [f"{curve['stage']}:{curve['epoch']}:{len(curve['step'])}" for curve in curves]
        time.sleep(0.6)  # the list is made again
        began = time.perf_counter()
        client.get("/api/monitor/runs")
        sent = client.get("/api/monitor/run", params={"name": "run-00", "have": have})
        again.append(time.perf_counter() - began)
    rows = {
        "page [s]": page,
        f"page and {SHOWN} runs [s]": opened,
        "looking again, median [s]": statistics.median(again),
    }
    sizes = {"a run [kB]": len(found[0].content) / 1000, "what is new of it [kB]": len(sent.content) / 1000}
    print_rows([{"MB of metrics": RUNS * len(content) / 1e6, **rows, **sizes}], as_json=False)
    assert found[0].json()["curves"][-1]["last"]["step"] == ROWS
    assert opened < 1.0


def fill(store: Store) -> None:
    """Write a million answers of 200 people, three to a question, and a clip that all are about."""
    count = -(-ANSWERS // OVERLAP)
    base = {"round": 1, "kind": "pairwise", "task": "reach", "dataset": "d", "created": "2026-01-01", "meta": "{}"}
    states = {"role": "work", "overlap": OVERLAP, "given": OVERLAP, "wanted": 0}
    said: dict[str, Any] = {"annotator_kind": "human", "answered": "2026-01-01T00:00:00+00:00", "response_time": 3.0}
    said |= {"standing": "counted", "shown": "AB"}
    with store.database.engine.begin() as connection:
        people = [
            {"name": f"p{i}", "kind": "human", "team": f"g{i % 3}", "handed": 0, "since": ""} for i in range(PEOPLE)
        ]
        connection.execute(sa.insert(annotators), people)
        for start in range(0, count, AT_ONCE):
            ids = range(start, min(start + AT_ONCE, count))
            rows = [{"id": f"q{i}", "run": f"r{i % 20}", **base, **states} for i in ids]
            connection.execute(sa.insert(questions), rows)
            given = []
            for i in ids:
                for k in range(OVERLAP):
                    choice = "A" if (i * 7 + k * 3) % 10 else "B"
                    who = {
                        "question_id": f"q{i}",
                        "annotator": f"p{(i * 3 + k) % PEOPLE}",
                        "idempotency_key": f"{i}-{k}",
                    }
                    given.append(
                        {**who, **said, "value": f'{{"choice": "{choice}"}}', "standing": "counted", "shown": "AB"}
                    )
            connection.execute(sa.insert(answers), given)


def test_quality_of_a_million_answers_blocks_nobody(station: Station, client: TestClient) -> None:
    fill(station.store)
    waits, began, working = [], time.perf_counter(), True
    while working:
        sent = time.perf_counter()
        found = client.get("/api/quality").json()
        station.labels.of("r0")
        waits.append(time.perf_counter() - sent)
        working = found["report"] is None
        time.sleep(0.02)
    took = time.perf_counter() - began
    counted = station.labels.of("r0")
    while counted is None:
        time.sleep(0.1)
        counted = station.labels.of("r0")
    labels = time.perf_counter() - began
    assert station.quality.of(ReportKey(None, None))["report"] is not None
    assert "error" not in found["report"], found["report"]
    row = {"report after [s]": took, "labels counted after [s]": labels, "longest wait of a page [s]": max(waits)}
    row["95 % of waits [s]"] = statistics.quantiles(waits, n=20)[-1]
    print_rows(
        [{**row, "people": len(found["report"]["people"]), "labels of a run": counted["answers"]}], as_json=False
    )
    assert statistics.quantiles(waits, n=20)[-1] < 0.25
