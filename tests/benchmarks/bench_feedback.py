"""Load on the feedback database: a million stored answers, and two hundred concurrent annotators."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from robo_rlhf.accounts.tables import annotators
from robo_rlhf.core.types import Segment
from robo_rlhf.feedback.assignment.assign import QuestionFilter
from robo_rlhf.feedback.assignment.submission import SubmittedAnswer
from robo_rlhf.feedback.records import clip_id
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, clips, leases, questions, segments
from tests.feedback.postgres import server

CLIPS, ANSWERS, OVERLAP = 100_000, 1_000_000, 3
OPEN = 20_000  # questions that wait for answers
PEOPLE, EVERY, SECONDS = 200, 2.0, 30.0  # [s]
WARM = 5.0  # [s] at first that do not count: connections are made, and the disk is done with filling
NEXT_P95, ANSWER_P95 = 0.150, 0.100  # [s]
BLOCK = 20_000  # rows a statement
NOW = "2026-01-01T00:00:00.000+00:00"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with database(request.param, tmp_path) as where, Store(where) as opened:
        started = time.perf_counter()
        fill(opened)
        print(f"\n{request.param}: filled in {time.perf_counter() - started:.0f} s")
        yield opened
    shutil.rmtree(tmp_path, ignore_errors=True)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield str(folder / "feedback.db")
        return
    with server("-c", "max_connections=300") as running:
        yield running.url()


def fill(store: Store) -> None:
    """Write clips, questions and answers straight into the tables."""
    asked = -(-ANSWERS // OVERLAP)
    shown = [Segment(f"episode-{i // 10}", 50 * (i % 10), 50) for i in range(CLIPS)]
    names = [clip_id("data", clip) for clip in shown]
    rows = ({"id": n, "dataset": "data", **clip._asdict()} for n, clip in zip(names, shown, strict=True))
    write(store, clips, list(rows))
    for start in range(0, asked + OPEN, BLOCK):
        some = range(start, min(start + BLOCK, asked + OPEN))
        write(store, questions, [question(i, i < asked) for i in some])
        write(store, segments, [place(i, p, shown, names) for i in some for p in range(2)])
        done = [(i, who) for i in some if i < asked for who in range(OVERLAP)]
        write(store, answers, [answer(i, who) for i, who in done])
        write(store, leases, [lease(i, who) for i, who in done])
    people = [{"name": f"p{i}", "kind": "human", "handed": 5000, "since": NOW} for i in range(PEOPLE)]
    write(store, annotators, people)
    with store.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def write(store: Store, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        store.database.write(lambda connection: connection.execute(sa.insert(table), rows))


def question(number: int, full: bool) -> dict[str, Any]:
    same = {"run": "run", "round": 0, "kind": "pairwise", "task": "reach", "dataset": "data", "created": NOW}
    counters = {"overlap": OVERLAP, "given": OVERLAP if full else 0, "wanted": int(not full), "role": "work"}
    return {"id": f"question-{number}", "meta": "{}", **same, **counters}


def place(number: int, position: int, shown: list[Segment], names: list[str]) -> dict[str, Any]:
    which = (7919 * number + position) % CLIPS
    clip = {**shown[which]._asdict(), "clip_id": names[which]}
    return {"question_id": f"question-{number}", "position": position, **clip}


def answer(number: int, who: int) -> dict[str, Any]:
    person = f"p{(number * OVERLAP + who) % PEOPLE}"
    said = {"annotator": person, "annotator_kind": "human", "value": '{"choice": "A"}', "shown": "BA"}
    key = f"{number}-{who}"
    return {"question_id": f"question-{number}", "idempotency_key": key, "answered": NOW, "response_time": 2.0, **said}


def lease(number: int, who: int) -> dict[str, Any]:
    person = f"p{(number * OVERLAP + who) % PEOPLE}"
    state = {"purpose": "work", "state": "answered", "counted": 1, "issued": 0.0, "expires": 0.0, "shown": "BA"}
    return {"question_id": f"question-{number}", "annotator": person, "turn": 0, "nth": number // PEOPLE, **state}


def work(store: Store, person: int, until: float, taken: dict[str, list[float]], failures: list[Exception]) -> None:
    """Ask and answer every EVERY seconds, as a page does."""
    name, rng = f"p{person}", np.random.default_rng(person)
    due = time.perf_counter() + EVERY * person / PEOPLE
    try:
        while (now := time.perf_counter()) < until:
            time.sleep(max(due - now, 0.0))
            due += EVERY
            started = time.perf_counter()
            handed = store.leases.next(name, QuestionFilter(task="reach"))
            asked = time.perf_counter()
            assert handed is not None
            choice = {"choice": "AB"[rng.integers(2)]}
            key = f"{handed.lease}-{started}"
            store.submit(SubmittedAnswer(handed.question.id, name, "human", choice, key, 1.9, handed.lease, None))
            if started > until - SECONDS:
                taken["next"].append(asked - started)
                taken["answer"].append(time.perf_counter() - asked)
    except Exception as error:
        failures.append(error)


@pytest.mark.bench
def test_next_question_and_answer_with_a_million_answers(store: Store) -> None:
    taken: dict[str, list[float]] = {"next": [], "answer": []}
    failures: list[Exception] = []
    until = time.perf_counter() + WARM + SECONDS
    before, busy = store.mark(), time.process_time()
    people = [threading.Thread(target=work, args=(store, i, until, taken, failures)) for i in range(PEOPLE)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join()
    assert not failures, failures[0]
    for name, bar in (("next", NEXT_P95), ("answer", ANSWER_P95)):
        half, most = np.quantile(taken[name], [0.5, 0.95])
        rate = len(taken[name]) / SECONDS
        print(
            f"{name}: median {1000 * half:.1f} ms, p95 {1000 * most:.1f} ms, {rate:.0f} a second (bar {1000 * bar:.0f})"
        )
    print(
        f"processor time of this process: {1000 * (time.process_time() - busy) / len(taken['next']):.1f} ms a question"
    )
    assert store.mark() - before >= len(taken["answer"])
    crowded = sa.select(sa.func.count()).where(questions.c.given + questions.c.held > questions.c.overlap)
    with store.database.read() as connection:
        assert connection.scalar(crowded) == 0
    assert np.quantile(taken["next"], 0.95) <= NEXT_P95
    assert np.quantile(taken["answer"], 0.95) <= ANSWER_P95
