import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient

from robo_rlhf.core.errors import (
    BusyError,
    ConflictError,
    CorruptFileError,
    DiskFullError,
    InvalidValueError,
    NotFoundError,
    RoboRlhfError,
    UnknownNameError,
)
from teleop.station.web import pages
from teleop.station.web.auth import SIGNED_OUT, requires
from teleop.station.web.security import HEADERS

Visit = Callable[..., TestClient]
HTML = {"accept": "text/html"}
ERRORS: list[tuple[RoboRlhfError, int, str]] = [
    (NotFoundError("episode", "x", "Look again."), 404, "notfound"),
    (UnknownNameError("task", "rech", ["reach"]), 404, "unknownname"),
    (ConflictError("the note", "somebody changed it"), 409, "conflict"),
    (InvalidValueError("width", 3, "80 or more"), 422, "invalidvalue"),
    (BusyError("The database", "somebody writes"), 503, "busy"),
    (DiskFullError(Path("/data"), 10, 1), 507, "diskfull"),
    (CorruptFileError(Path("/data/x"), "cut off", "Move it away."), 500, "corruptfile"),
]


@pytest.fixture
def failing(app: FastAPI) -> FastAPI:
    @app.get("/fails/{number}")
    def fails(number: int) -> None:
        raise ERRORS[number][0]

    @app.get("/breaks")
    def breaks() -> None:
        raise ZeroDivisionError("what only the log may know")

    @app.get("/for-administrators", dependencies=[Depends(requires("administrator"))])
    def for_administrators() -> dict[str, bool]:
        return {"ok": True}

    return app


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_our_errors_are_told_in_their_own_words(number: int, failing: FastAPI, visit: Visit) -> None:
    error, status, code = ERRORS[number]
    client = visit("annotator")
    answer = client.get(f"/fails/{number}")
    assert answer.status_code == status
    assert answer.json() == {"error": str(error), "code": code}
    page = client.get(f"/fails/{number}", headers=HTML)
    assert page.status_code == status
    assert str(error).replace("'", "&#39;") in page.text
    assert "annotator1" in page.text  # with the navigation


def test_a_fault_of_the_program_is_logged_and_not_shown(
    failing: FastAPI, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    client = visit("annotator")
    with caplog.at_level(logging.ERROR):
        answer, page = client.get("/breaks"), client.get("/breaks", headers=HTML)
    assert answer.status_code == page.status_code == 500
    assert "The station made a mistake" in page.text
    assert "what only the log may know" not in answer.text + page.text
    assert "what only the log may know" in caplog.text
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]


def test_a_role_that_is_too_small_is_told_which_it_takes(failing: FastAPI, visit: Visit) -> None:
    for role in ("annotator", "operator"):
        client = visit(role)
        answer = client.get("/for-administrators")
        assert answer.status_code == 403
        assert answer.json()["error"].startswith("It takes the role administrator. Ask an administrator for it.")
        assert "This is not yours to see" in client.get("/for-administrators", headers=HTML).text
    assert visit("administrator").get("/for-administrators").json() == {"ok": True}
    assert visit().get("/for-administrators").status_code == 401


def test_what_is_not_there(visit: Visit) -> None:
    page = visit().get("/nowhere", headers=HTML)
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert visit().get("/nowhere").json()["error"] == "The address may be mistyped, or what was here is gone."
    assert visit("annotator").post("/session").status_code == 405


def test_errors_are_shown_while_the_accounts_cannot_be_read(
    failing: FastAPI, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = visit("annotator")
    monkeypatch.setattr("robo_rlhf.accounts.web_sessions.Sessions.find", lambda *_: 1 / 0)
    answer = client.get("/", headers=HTML)
    assert answer.status_code == 500
    assert "The station made a mistake" in answer.text


ROUTES = [route for module in pages.modules() for route in module.router.routes]
SOCKETS = [route for route in ROUTES if isinstance(route, WebSocketRoute)]
PUBLIC = ("/sign-in", "/enter")


@pytest.mark.parametrize("route", [route for route in ROUTES if isinstance(route, APIRoute)], ids=lambda r: r.path)
def test_every_route_of_a_page_asks_who_it_is(route: APIRoute, visit: Visit) -> None:
    if route.path in PUBLIC:
        return
    client = visit()
    for method in route.methods:
        answer = client.request(method, route.path.replace("{", "").replace("}", ""))
        assert answer.status_code == 401, f"{method} answers {answer.status_code} to nobody"


@pytest.mark.parametrize("route", SOCKETS, ids=lambda r: r.path)
def test_every_socket_of_a_page_asks_who_it_is(route: WebSocketRoute, visit: Visit) -> None:
    path = route.path.replace("{", "").replace("}", "")
    with visit().websocket_connect(f"ws://localhost{path}?key=k") as socket:
        assert socket.receive()["code"] == SIGNED_OUT
