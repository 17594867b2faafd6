"""The arena in the station: names stay covered, judges see nothing that tells policies apart, failures are shown."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from robo_rlhf.cli.main import main
from robo_rlhf.feedback.arena.arena import Arena
from teleop.station.services import Station
from tests.arenas import save_policies

Visit = Callable[..., TestClient]
PATIENCE = 120.0  # [s]
START = {"name": "fresh", "task": "reach", "policies": ["old", "new"], "seeds": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with an arena that people are to judge."""
    home = tmp_path_factory.mktemp("arena") / "home"
    save_policies(home, "cautious-one", "hasty-one", "spare-one")
    command = ["arena", "--policies", "cautious-one", "hasty-one", "--seeds", "3", "--name", "blind"]
    assert main([*command, "--home", str(home)]) == 0
    return home


@pytest.fixture
def judged(made: Path, home: Path) -> Path:
    """The data home of the station with that arena."""
    shutil.copytree(made, home, dirs_exist_ok=True)
    return home


def test_a_judge_is_told_nothing_of_the_policies(judged: Path, visit: Visit, station: Station) -> None:
    client, arena = visit("annotator"), Arena(judged, "blind")
    told, versions, stills = "", set(), []
    for _ in range(3):
        answer = client.post("/api/review/next", json={"run": "blind", "have": stills})
        question = answer.json()["question"]
        stills.append(question["lease"])
        told += answer.text
        for clip in question["clips"]:
            versions.add(clip["address"].partition("v=")[2])
            assert clip["frames"] == 61
    told += client.get("/review?run=blind").text + client.get("/api/monitor/runs").text
    told += client.get("/api/monitor/run?name=blind").text
    for one in arena.policies():
        assert one.digest[:12] not in told
    assert len(versions) == 1  # when a file was written would tell whose it is
    shown = json.loads(client.get("/api/monitor/run?name=blind").text)
    assert {policy["name"] for policy in shown["ratings"]["policies"]} == {"Policy 1", "Policy 2"}


def test_one_arena_that_cannot_be_read_hides_no_other(judged: Path, visit: Visit) -> None:
    shutil.copytree(judged / "runs" / "blind", judged / "runs" / "broken")
    (judged / "runs" / "broken" / "salt.json").write_text("{")
    lines = {line["arena"]: line for line in visit("operator").get("/api/arenas").json()["arenas"]}
    assert lines["blind"]["state"] == "judging"
    assert lines["broken"]["state"] == "failed"
    assert "salt.json" in lines["broken"]["failure"]


def test_names_are_covered_until_all_is_judged_or_somebody_gives_up_judging(
    judged: Path, visit: Visit, station: Station
) -> None:
    first, second = visit("operator"), visit("operator")
    seen = first.get("/api/arenas/blind").json()
    assert (seen["state"], seen["covered"], seen["entrants"]) == ("judging", True, ["cautious-one", "hasty-one"])
    assert {policy["name"] for policy in seen["policies"]} == {"Policy 1", "Policy 2"}
    assert "checkpoint" not in json.dumps(seen)
    assert first.post("/api/arenas/blind/names").json() == {"shown": True}
    assert {p["name"] for p in first.get("/api/arenas/blind").json()["policies"]} == {"cautious-one", "hasty-one"}
    assert second.get("/api/arenas/blind").json()["covered"]
    for client, number in ((first, 1), (second, 2)):
        for _ in range(number):
            question = client.post("/api/review/next", json={"run": "blind"}).json()["question"]
            body = {name: question[name] for name in ("question", "lease")}
            sent = client.post(
                "/api/review/answer", json={**body, "value": {"choice": "A"}, "key": question["question"]}
            )
            assert sent.json()["counts"]
    seen = second.get("/api/arenas/blind").json()
    assert (seen["state"], seen["covered"], seen["answers"], seen["not_blind"]) == ("finished", False, 2, 1)
    assert not (judged / "runs" / "blind" / "result.json").exists()  # nothing is written during a request


def test_ratings_are_renewed_as_answers_come_and_the_arena_waits_until_then(
    judged: Path, visit: Visit, station: Station
) -> None:
    client, run = visit("operator"), judged / "runs" / "blind"
    assert "waits for answers" in client.get("/").text
    assert state_of(client) == "waiting"
    station.standings.check()
    for number, question in enumerate(station.store.questions(run="blind")):
        station.store.answer(question.id, "ada", {"choice": "A"}, key=str(number))
        station.standings.check()
        _wait(lambda wanted=number + 1: json.loads((run / "ratings.json").read_text())["answers"] == wanted)  # type: ignore[misc]
    _wait((run / "result.json").exists)
    assert json.loads((run / "result.json").read_text())["done"]
    _wait(lambda: state_of(client) == "finished")


def test_a_station_that_starts_renews_what_was_answered_before(judged: Path, station: Station) -> None:
    (run := judged / "runs" / "blind" / "ratings.json").unlink()
    station.standings.check()
    _wait(run.exists)
    assert station.standings.check() is None  # nothing new


def test_what_cannot_be_started_is_refused_in_words(judged: Path, visit: Visit) -> None:
    client = visit("operator")
    paths = [policy["path"] for policy in _choices(client)]
    body = {**START, "policies": paths[:2]}
    for wrong, status, words in (
        ({"name": "blind"}, 409, "a run of that name is there already"),
        ({"name": "hasty-one"}, 409, "a run of that name is there already"),
        ({"name": "../up"}, 422, "name of an arena: expected 1 to 80 letters"),
        ({"policies": paths[:1]}, 422, "expected at least 2 to compare, got 1"),
        ({"policies": [paths[0], "/etc/passwd"]}, 404, "No policy of task reach '/etc/passwd'"),
        ({"task": "push"}, 404, "No policy of task push"),
        ({"seeds": 0}, 422, "seeds"),
    ):
        answer = client.post("/api/arenas", json={**body, **wrong})
        assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert {path.name for path in (judged / "runs").iterdir()} == {"blind", "cautious-one", "hasty-one", "spare-one"}
    assert client.get("/arena/nothing").status_code == 404


@pytest.fixture
def twins(judged: Path) -> list[str]:
    """The paths of two policies that are the same."""
    one, other = (judged / "runs" / name / "checkpoints" / "policy.safetensors" for name in ("cautious-one", "twin"))
    other.parent.mkdir(parents=True)
    shutil.copy(one, other)
    return [path.relative_to(judged).as_posix() for path in (one, other)]


@pytest.mark.slow
def test_an_arena_started_here_runs_beside_the_station_and_its_failure_is_told(
    judged: Path, twins: list[str], visit: Visit
) -> None:
    client = visit("operator")
    paths = sorted(policy["path"] for policy in _choices(client))
    for name, policies in (("good", paths[:2]), ("twins", twins)):
        body = {**START, "name": name, "policies": policies, "judge": "simulated"}
        assert client.post("/api/arenas", json=body).json() == {"address": f"/arena/{name}"}
        assert client.get(f"/arena/{name}").status_code == 200
    assert client.post("/api/arenas", json={**START, "name": "third", "policies": paths[:2]}).status_code == 503
    lines = _until(client, lambda one: one["state"] not in ("starting", "working"))
    assert lines["good"]["state"] == "finished"
    assert (lines["good"]["answered"], lines["good"]["covered"]) == (2, False)
    assert lines["twins"]["state"] == "failed"
    assert "the same weights take part as 'cautious-one'" in lines["twins"]["failure"]


def test_what_fails_is_told_and_the_station_ends_what_it_started(
    twins: list[str], visit: Visit, station: Station
) -> None:
    client = visit("operator")
    body = {**START, "policies": [policy["path"] for policy in _choices(client)][:2], "seeds": 2000}
    assert client.post("/api/arenas", json=body).status_code == 200
    assert client.post("/api/arenas/fresh/more", json={}).status_code in (404, 503)
    assert client.post("/api/arenas", json={**START, "name": "twins", "policies": twins}).status_code == 200
    assert client.post("/api/arenas", json={**body, "name": "third"}).status_code == 503
    lines = _until(client, lambda one: one["arena"] != "twins" or one["state"] == "failed")
    assert "the same weights take part as 'cautious-one'" in lines["twins"]["failure"]
    station.arenas.close()
    (line,) = (one for one in client.get("/api/arenas").json()["arenas"] if one["arena"] == "fresh")
    assert line["state"] == "failed"
    assert "ended (killed by signal 15). What was done stays; go on with it." in line["failure"]


def state_of(client: TestClient) -> str:
    lines = client.get("/api/monitor/runs").json()["runs"]
    return next(str(line["state"]) for line in lines if line["name"] == "blind")


def _wait(fits: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not fits():
        assert time.monotonic() < until
        time.sleep(0.1)


def _choices(client: TestClient) -> list[dict[str, str]]:
    text = client.get("/arena").text
    data = text.partition('id="data">')[2].partition("</script>")[0]
    found: list[dict[str, str]] = json.loads(data)["policies"]
    return found


def _until(client: TestClient, fits: Callable[[dict[str, object]], bool]) -> dict[str, dict[str, object]]:
    until = time.monotonic() + PATIENCE
    while True:
        lines = {one["arena"]: one for one in client.get("/api/arenas").json()["arenas"]}
        if all(fits(one) for one in lines.values()) or time.monotonic() > until:
            return lines
        time.sleep(0.2)
