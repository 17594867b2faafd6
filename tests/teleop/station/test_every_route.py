"""Laws of all routes: reading changes nothing, and pages of other origins change nothing."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from teleop.station.services import Station
from tests.feedback.making import QUESTIONS
from tests.teleop.station.conftest import ORIGIN
from tests.teleop.station.web.test_roles import ROUTES, call, routes_of

Visit = Callable[..., TestClient]
NOTED = {"web_sessions": "seen", "api_tokens": "used"}  # when a user was last seen
LOGGED = {"GET /api/v1/export"}  # says in the log who took the data
FOREIGN = (
    "https://evil.example",
    "null",
    "",
    "http://localhost:81",
    "http://evil.example#localhost",
)


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, without when a user was last seen."""
    found = {}
    with sqlite3.connect(path) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != NOTED.get(table)]
            found[table] = database.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
    database.close()
    return found


def test_looking_changes_nothing(app: FastAPI, station: Station, visit: Visit) -> None:
    station.store.add_questions(QUESTIONS)
    token = station.people.sessions.link(station.people.administrator())
    client = visit("administrator")
    values = {"name": "administrator1", "question": QUESTIONS[0].id, "task": QUESTIONS[0].task, "run": QUESTIONS[0].run}
    before = content(station.home / "feedback.db")
    names = [name for name in routes_of(app) if name.startswith("GET ")]
    for name in names:
        call(client, name, params={"token": token, "next": "/sign-out"})
        parts = [values.get(part.strip("{}"), "1") if part.startswith("{") else part for part in name[4:].split("/")]
        client.get("/".join(parts), headers={"accept": "text/html"})
        after = content(station.home / "feedback.db")
        changed = {table for table in before if before[table] != after[table]}
        assert changed == ({"audit"} if name in LOGGED else set()), name
        before = after
    assert len(names) > 30
    assert client.get("/session").status_code == 200
    assert station.people.sessions.use_link(token)


@pytest.mark.parametrize("origin", FOREIGN)
def test_nothing_is_changed_for_a_foreign_page(origin: str, app: FastAPI, station: Station, visit: Visit) -> None:
    client = visit("administrator")
    before = content(station.home / "feedback.db")
    for name in filter(ROUTES.get, routes_of(app)):
        if not name.startswith(("GET ", "SOCKET ")):
            assert call(client, name, headers={"origin": origin}) == 403, name
    assert content(station.home / "feedback.db") == before


def test_nothing_is_changed_without_the_token_of_the_page(app: FastAPI, visit: Visit) -> None:
    client = visit("administrator")
    del client.headers["x-csrf-token"]
    for name in filter(ROUTES.get, routes_of(app)):
        if not name.startswith(("GET ", "SOCKET ")):
            assert call(client, name) == 403, name


def test_without_an_origin_only_programs_change_anything(app: FastAPI, station: Station) -> None:
    station.people.add("root", "administrator")
    client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    changing = [name for name in filter(ROUTES.get, routes_of(app)) if not name.startswith(("GET ", "SOCKET "))]
    assert {call(client, name) for name in changing} <= {401, 403}
    secret, _ = station.people.tokens.create(station.people.get("root"), "a program", "administrator")
    client.headers["authorization"] = f"Bearer {secret}"
    assert 403 not in {call(client, name) for name in changing if not ROUTES[name].in_person}
