"""The feedback service under a team, over HTTP: `make bench ARGS=tests/benchmarks/bench_service.py`.

Two hundred people with sessions and connections of their own, in a second process, each answer every 2 s; a million
answers about 100,000 clips are there, and a training process follows what they say. The people ask as the page does,
but for the pictures, which browsers keep. Beside the times stands what the server took of the processor, because
other work on the machine weighs on times alone.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from robo_rlhf.feedback.store import Store
from tests.feedback.postgres import Server, server
from tests.service.crowd import Plan, Seen
from tests.service.filling import TASK, Amount, fill, films
from tests.service.running import ROOT, Running, busy, check_nothing_lost, crowd, links, running
from tests.service.two_stations import two_stations

pytestmark = pytest.mark.bench
ANSWERS = int(os.environ.get("SERVICE_ANSWERS", "1000000"))  # fewer to try it out
MUCH = Amount(clips=100_000, answers=ANSWERS, waiting=20_000, people=200)
EVERY = 2.0  # [s]
ARRIVE = 10.0  # [s] in which the people come; what is measured begins 5 s later
SECONDS = float(os.environ.get("SERVICE_SECONDS", "30"))
NEXT_P95, ANSWER_P95, READY = 0.150, 0.100, 5.0  # [s]
KILLS = 5
TAUGHT = 200  # answers of a simulated teacher, so that the training begins at once


class Place(NamedTuple):
    """Where everything is."""

    home: Path
    database: str
    postgres: Server | None


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("service") / "home"
    with database(request.param, home) as (where, postgres):
        started = time.perf_counter()
        films(home, MUCH)
        with Store(where) as store:
            store.tasks.set_sharing(gold_share=0.0)
            fill(store, MUCH)
            for number in range(MUCH.waiting - TAUGHT, MUCH.waiting):
                name = f"question-{-(-MUCH.answers // MUCH.overlap) + number}"
                said = {"choice": "AB"[number % 2]}
                store.answer(name, "teacher", said, key=name, annotator_kind="simulated")
        print(f"\n{request.param}: filled in {time.perf_counter() - started:.0f} s")
        yield Place(home, where, postgres)
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def database(kind: str, home: Path) -> Iterator[tuple[str, Server | None]]:
    if kind == "sqlite":
        yield str(home / "feedback.db"), None
        return
    with server() as found:
        yield found.url(), found


@contextmanager
def training(place: Place) -> Iterator["subprocess.Popen[str]"]:
    """Learn a reward from the answers as they come."""
    command = [
        sys.executable,
        "-m",
        "robo_rlhf.cli.main",
        "train",
        "reward",
        "--task",
        TASK,
        "--questions-of",
        MUCH.run,
    ]
    command += ["--run", f"beside-{time.time_ns()}", "--follow", "--home", str(place.home)]
    with (place.home / "training.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--database", place.database], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            until = time.monotonic() + 120
            while "answers" not in (place.home / "training.log").read_text():
                assert process.poll() is None, (place.home / "training.log").read_text()
                assert time.monotonic() < until, "the training does not begin"
                time.sleep(0.2)
            yield process
        finally:
            process.kill()
            process.wait()


def plan(station: Running) -> Plan:
    found = links(station.database, [f"p{i}" for i in range(MUCH.people)])
    return Plan(station.port, found, MUCH.run, arrive=ARRIVE, every=EVERY, seconds=SECONDS)


def mark(place: Place) -> int:
    with Store(place.database) as store:
        return store.mark()


def told(seen: Seen) -> None:
    for name, bar in (("next", NEXT_P95), ("answer", ANSWER_P95), ("pace", 0.0)):
        half, most, longest = np.quantile(seen.taken[name], [0.5, 0.95, 1.0])
        rate = len(seen.taken[name]) / SECONDS
        text = f"{name}: median {1000 * half:.1f} ms, p95 {1000 * most:.1f} ms, longest {1000 * longest:.0f} ms"
        print(f"{text}, {rate:.0f} a second" + (f" (bar {1000 * bar:.0f})" if bar else ""))
    print(f"statuses {seen.statuses}, connections that broke {seen.broken}, load {os.getloadavg()}")


def processes(place: Place) -> dict[int, float]:
    """Return the processor time of every process of the database server [s]."""
    if place.postgres is None:
        return {}
    found = subprocess.run(["pgrep", "-P", str(place.postgres.process.pid)], capture_output=True, text=True, check=True)
    return {int(pid): busy(int(pid)) for pid in found.stdout.split()}


def test_two_hundred_people_and_a_million_answers(place: Place) -> None:
    """Bars: next question p95 ≤ 150 ms, answer p95 ≤ 100 ms, nothing of the server's own failed."""
    since = mark(place)
    with running(place.home, place.database) as station, training(place) as learner, crowd(plan(station)) as people:
        before, taught, behind, began = station.busy(), busy(learner.pid), processes(place), time.perf_counter()
        people.begin()
        seen = people.end()
        took = time.perf_counter() - began
        server_busy, learner_busy = station.busy() - before, busy(learner.pid) - taught
        after = processes(place)
        database_busy = sum(after.values()) - sum(behind.get(pid, 0.0) for pid in after)
    updates = (place.home / "training.log").read_text().count(" answers,")
    told(seen)
    each = 1000 * server_busy / sum(seen.statuses.values())
    print(f"processor: server {100 * server_busy / took:.0f} %, {each:.2f} ms a request; ", end="")
    print(f"database {100 * database_busy / took:.0f} %; training {100 * learner_busy / took:.0f} %, {updates} models")
    with Store(place.database) as store:
        check_nothing_lost(store, seen, MUCH.run, since)
    assert set(seen.statuses) == {"200"}, seen.odd[:5]
    assert seen.broken == 0
    assert updates > 1
    assert np.quantile(seen.taken["next"], 0.95) <= NEXT_P95
    assert np.quantile(seen.taken["answer"], 0.95) <= ANSWER_P95


def test_the_same_while_the_server_is_killed(place: Place) -> None:
    """Bars: no acknowledged answer lost or doubled; ready again ≤ 5 s."""
    since = mark(place)
    with running(place.home, place.database) as station, training(place), crowd(plan(station)) as people:
        people.begin()
        ready = []
        for _ in range(KILLS):
            time.sleep((SECONDS + Plan.warm) / (KILLS + 2))
            ready.append(station.kill_and_start())
        seen = people.end()
    told(seen)
    print(f"ready again after {', '.join(f'{seconds:.1f}' for seconds in ready)} s; {len(seen.acknowledged)} answers")
    with Store(place.database) as store:
        check_nothing_lost(store, seen, MUCH.run, since)
    assert not [status for status in seen.statuses if status[0] == "5"], seen.odd[:5]
    assert seen.broken > 0
    assert max(ready) <= READY


def test_two_stations_and_a_rolling_restart() -> None:
    """Bars, 200 people who answer every 6 s: nothing lost or doubled, 5xx only while restarting, next p95 ≤ 150 ms."""
    with tempfile.TemporaryDirectory() as folder, server() as postgres:
        outcome = two_stations(Path(folder), postgres.url(), people=MUCH.people, every=6.0, seconds=2 * SECONDS)
    told(outcome.seen)
    print(f"ready again after {', '.join(f'{seconds:.1f}' for seconds in outcome.ready)} s", end="; ")
    print(f"{len(outcome.seen.acknowledged)} answers")
    assert np.quantile(outcome.seen.taken["next"], 0.95) <= NEXT_P95
