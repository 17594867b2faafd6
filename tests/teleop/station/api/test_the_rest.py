"""The resources of tasks, people, runs and quality; export and import of all feedback."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from robo_rlhf.core.types import Source
from robo_rlhf.data.dataset import Dataset
from teleop.station.app import create_app
from teleop.station.services import Station
from tests.data.making import episode
from tests.teleop.station.api.conftest import Program, asked, imported


def test_tasks_their_settings_and_guidelines(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    names = [task["name"] for task in annotator.get("tasks").json()["items"]]
    assert "pick_place" in names
    assert annotator.get("tasks/juggling").status_code == 404
    changed = operator.patch("tasks/pick_place/settings", json={"overlap": 3, "gold_share": 0.1})
    assert (changed.json()["overlap"], changed.json()["gold_share"]) == (3, 0.1)
    assert operator.patch("tasks/pick_place/settings", json={"gold_share": 0.9}).status_code == 422
    assert operator.patch("settings", json={"lease": 60}).json()["lease"] == 60
    assert annotator.get("settings").json()["lease"] == 60
    assert annotator.get("tasks/pick_place/guidelines").status_code == 404
    written = operator.put("tasks/pick_place/guidelines", json={"text": "*Gently* first."}).json()
    assert (written["version"], written["author"], written["text"]) == (1, "operator0", "*Gently* first.")
    assert annotator.get("tasks/pick_place/guidelines").json() == written
    task = annotator.get("tasks/pick_place").json()
    assert (task["guidelines"], task["settings"]["overlap"]) == (1, 3)


def test_notes_and_signals_come_once(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    note = {"about": "question", "name": "q1", "text": "<b>odd</b>", "key": "n1"}
    press = {"dataset": "live", "episode_id": "e1", "sign": -1, "step": 12.5, "rate": 20, "run": "one", "key": "s1"}
    for path, body in (("notes", note), ("signals", press)):
        replies = [annotator.post(path, json=body) for _ in range(2)]
        assert [(reply.status_code, reply.json()) for reply in replies] == [(201, {"new": True}), (200, {"new": False})]
        assert len(operator.get(path).json()["items"]) == 1
    assert annotator.post("notes", json={**note, "text": "other"}).status_code == 409
    assert annotator.post("signals", json={**press, "sign": 1}).status_code == 409
    assert operator.get("notes", params={"about": "clip"}).json()["items"] == []
    assert operator.get("notes", params={"name": "q1"}).json()["items"][0]["annotator"] == "annotator1"
    assert operator.get("signals", params={"run": "one", "episode": "e1"}).json()["items"][0]["step"] == 12.5


def test_a_signal_says_what_was_watched_and_can_be_taken_back(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    press = {"dataset": "live", "episode_id": "e1", "sign": 1, "step": 3, "rate": 20, "key": "s1"}
    assert annotator.post("signals", json={**press, "source": "film"}).status_code == 422
    assert annotator.post("signals", json={**press, "source": "replay", "delay": 0.4}).status_code == 201
    (row,) = operator.get("signals").json()["items"]
    assert (row["source"], row["delay"], row["withdrawn"]) == ("replay", 0.4, None)
    assert annotator.post("signals/take-back", json={"key": "s2"}).status_code == 404
    replies = [annotator.post("signals/take-back", json={"key": "s1"}).json() for _ in range(2)]
    assert replies == [{"stood": True}, {"stood": False}]
    assert operator.get("signals").json()["items"][0]["withdrawn"]


def test_who_one_is_and_the_groups_one_belongs_to(program: Program) -> None:
    operator, annotator = program("operator"), program("annotator")
    assert annotator.get("me").json() == {"name": "annotator1", "role": "annotator", "groups": [], "waiting": 0}
    assert annotator.put("me/groups", json={"groups": ["robotics", "left-handed"]}).status_code == 200
    assert annotator.get("me").json()["groups"] == ["left-handed", "robotics"]
    (row,) = operator.get("annotators", params={"kind": "human"}).json()["items"]
    assert (row["name"], row["groups"]) == ("annotator1", ["left-handed", "robotics"])


@pytest.mark.usefixtures("episodes")
def test_quality_and_agreement(program: Program, station: Station) -> None:
    operator = program("operator")
    for number, name in enumerate(asked(operator, 12, overlap=2)):
        for person in ("ada", "grace"):
            choice = "B" if person == "grace" and number % 4 == 0 else "A"
            station.store.answer(name, person, {"choice": choice}, key=name, response_time=3.0)
    found = operator.get("agreement", params={"run": "one"}).json()
    assert (found["answers"], found["agreement"]) == (24, 0.75)
    assert set(found["alpha"]) == {"pairwise"}
    people = {person["name"]: person for person in operator.get("quality").json()["items"]}
    assert (people["ada"]["answers"], people["ada"]["seconds"], people["ada"]["agreement"]) == (12, 3.0, 0.75)
    assert operator.get("annotators/ada/quality", params={"task": "reach"}).json() == people["ada"]
    assert operator.get("annotators/nobody/quality").status_code == 404


@pytest.mark.usefixtures("episodes")
def test_runs_and_their_rounds(program: Program, station: Station) -> None:
    operator, annotator = program("operator"), program("annotator")
    (name, _) = asked(operator, 2)
    station.store.answer(name, "ada", {"choice": "A"}, key="k")
    put = operator.put("runs/one/rounds/2", json={"state": "learning", "meta": {"accuracy": 0.8}})
    assert (put.json()["state"], put.json()["meta"]) == ("learning", {"accuracy": 0.8})
    assert annotator.get("runs").json() == {"items": ["one"]}
    counts = annotator.get("runs/one").json()["counts"]
    assert counts == {"questions": 2, "answered": 1, "answers": 1, "human": 1, "simulated": 0}
    assert annotator.get("runs/one/rounds").json()["items"] == [put.json()]
    assert annotator.get("runs/two").status_code == 404


@pytest.mark.usefixtures("episodes")
def test_what_was_corrected_is_better(program: Program, home: Path) -> None:
    operator = program("operator")
    asked(operator)
    source = np.full(9, int(Source.CORRECTION), np.uint8)
    better = replace(episode("mine", steps=9, task="reach", parent="e0", parent_step=3, operator="ada"), source=source)
    Dataset(home / "reach", create=True).add(better)
    body = {"dataset": "reach", "run": "corrections"}
    replies = [operator.post("corrections", json=body).json() for _ in range(2)]
    told = {"found": 1, "removed": 0, "silent": {}}
    assert replies == [{**told, "new": 1}, {**told, "new": 0}]
    assert operator.post("leases", json={"run": "corrections"}).json() == {"question": None}  # nobody is asked
    assert operator.get("answers", params={"run": "corrections"}).json()["items"][0]["annotator"] == "ada"
    assert operator.post("corrections", json={**body, "dataset": "../elsewhere"}).status_code == 404


def taken(client: TestClient, format: str) -> bytes:
    answer = client.get("export", params={"format": format})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    return answer.content


@pytest.mark.usefixtures("episodes")
@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_what_is_exported_is_imported_elsewhere(
    format: str, program: Program, station: Station, home: Path, tmp_path: Path
) -> None:
    administrator = program("administrator")
    for name in asked(administrator, 3):
        station.store.answer(name, "ada", {"choice": "A", "note": "ü"}, key=name)
    content = taken(administrator, format)
    known = imported(administrator, content).json()
    assert known["new"] == {}
    assert known["known"]["answers"] == 3
    other = Station(tmp_path / "other")
    try:
        person = other.people.add("root", "administrator")
        secret, _ = other.people.tokens.create(person, "a test", "administrator")
        headers = {"authorization": f"Bearer {secret}"}
        with TestClient(create_app(other), base_url="http://localhost/api/v1", headers=headers) as client:
            assert imported(client, content).json()["new"]["answers"] == 3
            same = [zipfile.ZipFile(io.BytesIO(one)) for one in (content, taken(client, format))]
        assert same[0].namelist() == same[1].namelist()
        assert all(same[0].read(name) == same[1].read(name) for name in same[0].namelist())
    finally:
        other.close()
    assert list((home / "cache" / "exchange").iterdir()) == []


def packed(**files: list[object]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as out:
        for name, rows in files.items():
            out.writestr(f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    return held.getvalue()


def test_an_import_with_broken_rows_is_told_by_line_and_changes_nothing(program: Program, station: Station) -> None:
    person = {"name": "ada", "kind": "human", "team": "", "since": "2026-01-01T00:00:00.000+00:00"}
    answer = imported(program("administrator"), packed(annotators=[person, {**person, "name": 5}, 7]))
    assert (answer.status_code, answer.json()["code"]) == (422, "import")
    assert [(one["file"], one["line"]) for one in answer.json()["problems"]] == [
        ("annotators.jsonl", 2),
        ("annotators.jsonl", 3),
    ]
    assert station.store.teams() == {}


@pytest.mark.parametrize(
    "content",
    [b"no zip", packed(secrets=[{}]), packed(answers=[])[:40], packed(answers=[{"a": 1}] * 9)[:-30]],
    ids=["no zip", "another table", "cut off", "without its end"],  # a zip holds the time: no name for a test
)
def test_files_that_are_none(content: bytes, program: Program, home: Path) -> None:
    answer = imported(program("administrator"), content)
    assert (answer.status_code, set(answer.json())) == (422, {"error", "code"})
    assert list((home / "cache" / "exchange").iterdir()) == []
