"""The train page: what may be asked for and by whom; the queue; what becomes of processes and folders."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from robo_rlhf.core import files
from robo_rlhf.core.errors import DiskFullError
from robo_rlhf.core.runs import Run
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.processes.heartbeat import keep_heartbeat
from teleop.station.services import Station
from teleop.station.train import queue
from teleop.station.train.progress import expected_seconds, progress
from teleop.station.train.queue import MOST_AT_ONCE, TrainingQueue
from tests.data.making import episode
from tests.teleop.station.conftest import Visit

ASKED = {"task": "reach", "dataset": "mine", "answers": "simulated", "labels": 6, "rounds": 2, "size": "tiny"}
PATIENCE = 30.0  # [s]
Children = list["subprocess.Popen[bytes]"]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """The processes that the queue starts: they hold still until they are interrupted."""
    made: Children = []

    def start(command: Sequence[str], log: Path, database: object) -> "subprocess.Popen[bytes]":
        assert command[0] == "run"
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        made.append(child)
        return child

    monkeypatch.setattr(queue, "start_detached", start)
    yield made
    for child in made:
        child.kill()
        child.wait()


@pytest.fixture(autouse=True)
def recorded(home: Path) -> None:
    """Two successes and a failure of reach."""
    successes = [{"outcome": "success"}, {"outcome": "success"}, {"outcome": "failure"}]
    made = (
        episode(f"e{i}", steps=3, seed=i, task="reach", device="browser", **more) for i, more in enumerate(successes)
    )
    Dataset(home / "mine", create=True, task="reach").add_many(made)


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def state(client: TestClient, run: str) -> str:
    found: list[dict[str, Any]] = client.get("/api/train").json()["runs"]
    return next((one["state"] for one in found if one["name"] == run), "")


def act(client: TestClient, run: str, name: str, **more: str) -> int:
    return client.post(f"/api/train/runs/{run}", json={"act": name, **more}).status_code


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"task": "nothing"}, "No task 'nothing'. Choose one of those in the list."),
        ({"dataset": "../elsewhere"}, "No dataset with successes of reach '../elsewhere'."),
        ({"dataset": "samples/push"}, "No dataset with successes of reach 'samples/push'."),
        ({"demos": 3}, "demonstrations: expected at most the 2 that mine holds, got 3."),
        ({"labels": 1}, "labels: expected at least one a round, 2, got 1."),
        ({"labels": 10**6}, "labels"),
        ({"set": ["clone.policy=evil:Thing"]}, "set"),
        ({"size": "no_demonstrations"}, "size"),
        ({"minutes": 10**6}, "minutes"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    visit: Visit, station: Station, children: Children, wrong: dict[str, Any], sentence: str
) -> None:
    answer = visit("operator").post("/api/train", json={**ASKED, **wrong})
    assert 400 <= answer.status_code < 500
    assert sentence in answer.text
    assert station.training.jobs() == []
    assert children == []


def test_a_training_is_queued_stopped_continued_and_deleted_by_those_who_may(
    visit: Visit, station: Station, home: Path, children: Children
) -> None:
    station.training.slots = 1
    owner, other, lead = visit("operator"), visit("operator"), visit("administrator")
    first, second = (owner.post("/api/train", json=ASKED).json()["run"] for _ in range(2))
    assert (first, second) == ("reach-1", "reach-2")
    assert [state(owner, run) for run in (first, second)] == ["starting", "queued"]
    assert act(other, first, "stop") == 403
    assert act(lead, first, "delete") == 409, "it is at work"
    assert act(owner, first, "stop") == 200
    until(lambda: children[0].poll() is not None)
    station.training.advance()
    assert state(owner, second) == "starting", "its core is free"
    Run(home / "runs" / second, {"task": "reach", "demos": 2, "rounds": 2})
    assert act(lead, second, "rename", title="The second") == 200
    assert act(lead, second, "stop") == 200
    until(lambda: children[1].poll() is not None)
    station.training.advance()
    assert state(lead, second) == "stopped"
    assert act(owner, second, "resume") == 200
    assert act(owner, second, "resume") == 409, "it is started once"
    assert len(children) == 3
    assert act(owner, second, "stop") == 200
    until(lambda: children[2].poll() is not None)
    station.training.advance()
    assert act(owner, second, "delete") == 200
    assert not (home / "runs" / second).exists()
    assert [one["name"] for one in owner.get("/api/train").json()["trash"]] == [second]
    assert owner.post("/api/train", json=ASKED).json()["run"] == "reach-3", "answers refer to runs by their names"
    assert act(owner, second, "restore") == 200
    found = {one["name"]: one for one in owner.get("/api/train").json()["runs"]}
    assert (found[second]["title"], found[second]["state"]) == ("The second", "stopped")
    assert act(owner, second, "delete") == 200
    assert act(owner, second, "purge") == 200
    assert act(owner, second, "restore") == 404
    told = [(line.who, line.act) for line in station.people.audit.read(limit=20)]
    assert ("operator1", "training started") in told
    assert ("administrator3", "run renamed") in told
    assert ("operator1", "run deleted") in told


def test_a_person_has_as_many_at_once_as_they_may_and_no_more_disk(
    visit: Visit, station: Station, monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    station.training.slots = 1
    client = visit("operator")
    for _ in range(MOST_AT_ONCE):
        assert client.post("/api/train", json=ASKED).status_code == 200
    answer = client.post("/api/train", json=ASKED)
    assert answer.status_code == 409
    assert f"{MOST_AT_ONCE} trainings of operator1 are queued or at work" in answer.json()["error"]
    assert visit("operator").post("/api/train", json=ASKED).status_code == 200, "others may"
    monkeypatch.setattr(queue, "MOST_BYTES", -1)
    answer = visit("operator").post("/api/train", json=ASKED)
    assert "disk space of the runs of operator3" in answer.json()["error"]


def test_a_full_disk_is_told_before_anything_is_started(
    visit: Visit, station: Station, monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    client, usage = visit("operator"), shutil.disk_usage("/")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=100 * 2**20))
    answer = client.post("/api/train", json=ASKED)
    assert answer.status_code == 507
    assert "is almost full" in answer.json()["error"]
    assert (station.training.jobs(), children) == ([], [])


def test_a_disk_that_fills_while_it_trains_is_told_and_it_goes_on_when_there_is_room(
    visit: Visit, home: Path, children: Children
) -> None:
    client = visit("operator")
    name = client.post("/api/train", json=ASKED).json()["run"]
    run = Run(home / "runs" / name, {"task": "reach", "demos": 2, "rounds": 2})
    with pytest.raises(DiskFullError), keep_heartbeat(run):
        raise DiskFullError(home, 8 * 10**6, 10**6)
    children[0].kill()
    children[0].wait()
    why = "is almost full: 8.0 MB are needed, 1.0 MB are free. Nothing was lost"
    until(lambda: why in client.get("/api/train").json()["runs"][0]["why"])
    assert state(client, name) == "failed"
    assert act(client, name, "resume") == 200
    assert state(client, name) == "starting"
    assert len(children) == 2


def test_a_station_that_is_started_again_finds_trainings_and_the_queue(
    visit: Visit, station: Station, home: Path, children: Children
) -> None:
    station.training.slots = 1
    client = visit("operator")
    first, second = (client.post("/api/train", json=ASKED).json()["run"] for _ in range(2))
    again = TrainingQueue(home, station.runs, station.database)
    again.slots = 1
    assert [(job.name, job.state) for job in again.jobs()] == [(first, "starting"), (second, "queued")]
    assert again.advance()
    assert len(children) == 1, "the first is still at work"
    children[0].kill()
    children[0].wait()
    again.advance()
    assert [(job.name, job.state) for job in again.jobs()] == [(second, "starting"), (first, "failed")]
    assert again.job(first).why


def test_a_run_of_a_terminal_is_stopped_by_administrators_alone(visit: Visit, station: Station, home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from robo_rlhf.core.runs import Run\n"
        "from robo_rlhf.processes.heartbeat import keep_heartbeat\n"
        "run = Run(Path(sys.argv[1]), {'task': 'reach', 'demos': 2})\n"
        "with keep_heartbeat(run): time.sleep(600)\n"
    )
    folder = home / "runs" / "by-hand"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: (folder / "alive.json").exists())
        assert act(visit("operator"), "by-hand", "stop") == 403
        lead = visit("administrator")
        assert state(lead, "by-hand") == "working"
        assert act(lead, "by-hand", "stop") == 200
        assert process.wait(PATIENCE) != 0
    finally:
        process.kill()
        process.wait()
    station.runs.forget()
    assert act(lead, "by-hand", "resume") == 409, "with which options only its terminal knows"
    assert act(lead, "by-hand", "delete") == 200


def test_arenas_are_not_trainings_and_reports_are_linked_where_they_are(visit: Visit, home: Path) -> None:
    for name, kind in (("compared", {"kind": "arena"}), ("fitted", {"algorithm": "reward"}), ("whole", {"demos": 2})):
        Run(home / "runs" / name, {"task": "reach", **kind}).finish({})
    (home / "runs" / "whole" / "report.html").write_text("<h1>Report</h1>")
    found = {one["name"]: one["report"] for one in visit("operator").get("/api/train").json()["runs"]}
    assert found == {"fitted": False, "whole": True}


def test_how_far_a_run_is_and_how_long_it_takes(station: Station, home: Path) -> None:
    path = home / "runs" / "reach-1"
    config = {"task": "reach", "demos": 2, "rounds": 2, "learner": "ppo", "clone": {"updates": 100}}
    run = Run(path, {**config, "finetune": {"iterations": 30}})
    shares = [0.0]

    def far() -> float:
        station.runs.forget()
        return progress(station.runs, station.training.job("reach-1"), 100.0).share

    clone = run.child("clone", {})
    clone.log(50, {"loss": 1.0})
    shares.append(far())
    clone.finish({})
    shares.append(far())
    tuning = run.child("round-1/finetune", {})
    tuning.log(5, {"reward": 1.0})  # of the ten iterations of the first round
    shares.append(far())
    assert shares == sorted(set(shares))
    found = progress(station.runs, station.training.job("reach-1"), 100.0)
    assert found.words == "round 1 of 2, fine-tuning"
    assert found.left == pytest.approx(100.0 * (1 - found.share))
    assert expected_seconds(station.runs, station.training.jobs(), "reach", "tiny", 15) == (20, "")
    events = [
        ("session", 0.0, ""),
        ("begin", 10.0, "round-1/answer"),
        ("end", 70.0, "round-1/answer"),
        ("end", 90.0, "after"),
    ]
    assert expected_seconds(station.runs, station.training.jobs(), "reach", "default", 7) == (420, "")
    rows = [{"time": 1e9 + at, "event": name, "stage": stage} for name, at, stage in events]
    (path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run.finish({"before": {}, "after": {}})
    files.os.utime(path / "result.json", (1e9 + 100, 1e9 + 100))
    options = ("--task", "reach", "--preset", "tiny", "--run", "reach-1")
    station.training.records.put(queue.Training("reach-1", "ada", options, "started", 1.0))
    station.runs.forget()
    assert expected_seconds(station.runs, station.training.jobs(), "reach", "tiny", 15) == (40.0, "reach-1")
