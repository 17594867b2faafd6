"""A station in this process, without its workers, and browsers in front of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from robo_rlhf.accounts import passwords
from robo_rlhf.accounts.roles import Role
from teleop.station.app import create_app
from teleop.station.services import Station
from teleop.station.web.security import CSRF_HEADER

ORIGIN = "http://localhost"
_routes: list[BaseRoute] = []


@pytest.fixture
def station(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """A station; what runs beside it is not started, and its passwords are quickly checked."""
    monkeypatch.setattr(passwords, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    station = Station(home, lean=True)
    monkeypatch.setattr(station.thinking, "warm", lambda: None)  # a process that loads torch for viewers of /ask
    yield station
    station.close()


@pytest.fixture
def app(station: Station) -> FastAPI:
    """Its application; what FastAPI works out about the routes, at the first request, is worked out once for all."""
    app = create_app(station)
    if not _routes:
        _routes.extend(app.router.routes)
    app.router.routes[:] = _routes
    return app


@pytest.fixture(scope="session")
def event_loop() -> Iterator[BlockingPortal]:
    """An event loop for all test clients: each request would start a thread with a loop of its own."""
    with start_blocking_portal() as portal:
        yield portal


Visit = Callable[..., TestClient]


@pytest.fixture
def visit(app: FastAPI, station: Station, event_loop: BlockingPortal) -> Iterator[Visit]:
    """Return a function that gives a new browser, signed in as a person of a role, or as nobody."""
    clients: list[TestClient] = []

    def visit(role: Role | None = None) -> TestClient:
        headers = {"origin": ORIGIN}
        client = TestClient(
            app, base_url=ORIGIN, headers=headers, follow_redirects=False, raise_server_exceptions=False
        )
        client.portal = event_loop
        clients.append(client)
        if role is not None:
            person = station.people.add(f"{role}{len(clients)}", role)
            assert client.post("/enter", json={"token": station.people.sessions.link(person)}).status_code == 200
            client.headers[CSRF_HEADER] = client.get("/session").json()["csrf"]
        return client

    yield visit
    for client in clients:
        client.close()
