"""What is changed through pages, through /api/v1 and by commands leaves a line in the log: who, what, from where."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from robo_rlhf.accounts.audit_log import AuditEntry
from robo_rlhf.cli.main import main
from robo_rlhf.data.dataset import Dataset
from robo_rlhf.feedback.records import clip_id
from teleop.station.services import Station
from tests.data.making import episode
from tests.feedback.making import make_question
from tests.teleop.station.conftest import Visit

WORK, GOLD = make_question(0), replace(make_question(1), role="gold")
CLIP = clip_id(WORK.dataset, WORK.segments[0])
HOOK = {"url": "https://example.org/secret-path", "events": ["answer.created"]}
EPISODE = {"episodes": [{"dataset": "demos", "episode": "e0"}]}


class Row(NamedTuple):
    """A change, and what the log says of it."""

    method: str
    path: str
    body: dict[str, Any] | None
    act: str
    about: str


PAGES = (
    Row("POST", "/api/guidelines", {"task": "reach", "text": "# Gently"}, "guidelines written", "reach, 8 characters"),
    Row(
        "POST",
        "/api/quality/settings",
        {"task": "reach", "settings": {"overlap": 3, "lease": None}},
        "settings changed",
        "reach: overlap 3, lease as all tasks",
    ),
    Row(
        "POST",
        "/api/quality/settings",
        {"task": "reach", "settings": {"overlap": 2}, "asked": True},
        "overlap changed",
        "reach: 2 for 2 questions",
    ),
    Row("POST", "/api/library/change", {"act": "delete", **EPISODE}, "episodes deleted", "1: demos/e0"),
    Row("POST", "/api/library/change", {"act": "restore", **EPISODE}, "episodes restored", "1: demos/e0"),
    Row("POST", "/api/library/change", {"act": "delete", **EPISODE}, "episodes deleted", "1: demos/e0"),
    Row("POST", "/api/library/change", {"act": "purge", **EPISODE}, "episodes purged", "1: demos/e0"),
)
API = (
    Row("PUT", "tasks/reach/guidelines", {"text": "# Gently"}, "guidelines written", "reach, 8 characters"),
    Row("PATCH", "tasks/reach/settings", {"gold_share": 0.25}, "settings changed", "reach: gold_share 0.25"),
    Row("PATCH", "settings", {"gold_share": None}, "settings changed", "all tasks: gold_share as usual"),
    Row(
        "PUT",
        f"gold/{GOLD.id}",
        {"expected": {"choice": "A"}},
        "gold answer set",
        f'{GOLD.id}: {{"choice": "A"}}',
    ),
    Row("POST", f"gold/{GOLD.id}/retire", {}, "gold question retired", GOLD.id),
    Row("POST", f"gold/{GOLD.id}/retire", {"retired": False}, "gold question taken back in", GOLD.id),
    Row(
        "PUT",
        f"clips/{CLIP}/state",
        {"state": "withdrawn", "reason": "too dark"},
        "clip marked",
        f"{CLIP}: withdrawn, too dark",
    ),
    Row("PUT", f"clips/{CLIP}/state", {"state": "good"}, "clip marked", f"{CLIP}: good"),
    Row("POST", f"questions/{WORK.id}/withdraw", {"reason": "twice"}, "question withdrawn", f"{WORK.id}: twice"),
    Row("POST", "webhooks", HOOK, "webhook added", "webhook 1: example.org; answer.created"),
    Row("PATCH", "webhooks/1", {"active": False}, "webhook changed", "webhook 1: rests"),
    Row("PATCH", "webhooks/1", {"url": "http://other.org/x"}, "webhook changed", "webhook 1: other.org"),
    Row("DELETE", "webhooks/1", None, "webhook removed", "webhook 1"),
)
COMMANDS = (
    (["episodes", "delete", "e0", "--dataset", "demos"], "robo-rlhf episodes", "episodes deleted", "1: demos/e0"),
    (["episodes", "undelete", "e0", "--dataset", "demos"], "robo-rlhf episodes", "episodes restored", "1: demos/e0"),
    (["episodes", "delete", "e0", "e1", "--dataset", "demos"], "robo-rlhf episodes", "episodes deleted", "2: demos"),
    (
        ["episodes", "purge", "e1", "--yes", "--dataset", "demos"],
        "robo-rlhf episodes",
        "episodes purged",
        "1: demos/e1",
    ),
    (["feedback", "settings", "--set", "overlap=2"], "robo-rlhf feedback", "settings changed", "all tasks: overlap 2"),
)


@pytest.fixture(autouse=True)
def filled(station: Station, home: Path) -> None:
    Dataset(home / "demos", create=True).add_many(episode(f"e{place}", steps=5, seed=place) for place in range(2))
    station.store.add_questions([WORK, GOLD])


@pytest.fixture
def program(app: FastAPI, station: Station) -> Iterator[TestClient]:
    person = station.people.add("alice", "administrator")
    secret, _ = station.people.tokens.create(person, "a test", "administrator")
    headers = {"authorization": f"Bearer {secret}"}
    with TestClient(app, base_url="http://localhost", headers=headers, client=("192.0.2.7", 5)) as client:
        yield client


def check(call: Callable[[Row], Any], rows: tuple[Row, ...], station: Station, who: str, address: str) -> None:
    for row in rows:
        answer = call(row)
        assert answer.is_success, (row, answer.text)
        (line,) = station.people.audit.read(limit=1)
        assert (line.who, line.act, line.about) == (who, row.act, row.about)
        assert line.address == address


def test_changes_by_pages(station: Station, visit: Visit) -> None:
    client = visit("operator")
    check(lambda row: client.request(row.method, row.path, json=row.body), PAGES, station, "operator1", "testclient")


def test_changes_by_programs(station: Station, program: TestClient) -> None:
    def call(row: Row) -> Any:
        return program.request(row.method, f"/api/v1/{row.path}", json=row.body)

    check(call, API, station, "alice", "192.0.2.7, token 1")
    assert "secret-path" not in str(station.people.audit.read())


def test_changes_by_commands(station: Station) -> None:
    for command, who, act, about in COMMANDS:
        assert main(command) == 0
        (line,) = station.people.audit.read(limit=1)
        assert (line.who, line.act, line.address) == (who, act, "")
        assert line.about.startswith(about)


def test_what_changes_nothing_is_not_logged(station: Station, program: TestClient) -> None:
    def lines() -> list[AuditEntry]:
        return list(station.people.audit.read())

    broken = (WORK.dataset, WORK.segments[0].episode_id, WORK.segments[0])
    station.store.clips.mark("quarantined", *broken, reason="gone")  # found by the station itself
    before = lines()
    assert (before[0].who, before[0].act, before[0].about) == ("", "clip marked", f"{CLIP}: quarantined, gone")
    station.store.clips.mark("quarantined", *broken, reason="gone")  # by the next one to whom it was handed
    for method, path in (("POST", "gold/none/retire"), ("DELETE", "webhooks/9"), ("PUT", "clips/none/state")):
        body = None if method == "DELETE" else {"state": "good"} if method == "PUT" else {}
        assert program.request(method, f"/api/v1/{path}", json=body).status_code == 404
    assert main(["episodes", "delete", "none", "--dataset", "demos"]) == 5
    assert lines() == before
