import contextlib
import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from teleop.station.services import Station
from teleop.station.web.auth import SIGNED_OUT, open_socket
from teleop.station.web.security import CSRF_HEADER, HEADERS, csrf_of

Visit = Callable[..., TestClient]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/enter", "/nowhere", "/static/x/shared/base.css", "/session"])
def test_every_answer_has_the_headers(path: str, visit: Visit) -> None:
    for client in (visit(), visit("annotator")):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers


def test_scripts_and_styles_come_from_the_station_alone(visit: Visit) -> None:
    rules = dict(rule.split(" ", 1) for rule in HEADERS["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    client = visit("administrator")
    for path in ("/", "/sign-in", "/enter", "/nowhere"):
        page = client.get(path, headers={"accept": "text/html"}).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
        for tag in re.findall(r"<script[^>]*>", page):
            assert "src=" in tag or 'type="application/json"' in tag


def test_a_change_from_a_foreign_page_is_refused(visit: Visit) -> None:
    client = visit("administrator")
    for origin in ("https://evil.example", "http://localhost:81", "http://localhost.evil.example", "null", ""):
        answer = client.post("/sign-out", headers={"origin": origin})
        assert answer.status_code == 403
        assert answer.json()["error"] == "This came from a page that is not the station's. Nothing was changed."
    assert client.get("/session").status_code == 200


@pytest.mark.parametrize(
    ("scheme", "origin", "status"),
    [
        ("https", "https://localhost", 200),
        ("https", "https://localhost:443", 200),
        ("https", "http://localhost", 403),
        ("https", "https://localhost:8443", 403),
        ("https", "https://localhost/", 403),
        ("https", "https://a@localhost", 403),
        ("http", "http://localhost:80", 200),
        ("http", "https://localhost", 403),
        ("http", "http://localhost:99999", 403),
    ],
)
def test_a_page_is_ours_by_scheme_name_and_port(scheme: str, origin: str, status: int, visit: Visit) -> None:
    client = visit("administrator")
    client.base_url = f"{scheme}://localhost"
    assert client.post("/sign-out", headers={"origin": origin}).status_code == status


def test_behind_https_browsers_stay_with_it(visit: Visit) -> None:
    client = visit()
    assert "strict-transport-security" not in client.get("/sign-in").headers
    client.base_url = "https://localhost"
    assert client.get("/sign-in").headers["strict-transport-security"] == "max-age=31536000"


def test_a_proxy_that_was_not_named_is_told_of(visit: Visit) -> None:
    answer = visit("administrator").post("/sign-out", headers={"origin": "https://localhost"})
    assert "start it with serve --proxy" in answer.json()["error"]


def test_a_change_without_an_origin_is_refused(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost")
    assert client.post("/enter", json={"token": "x"}).status_code == 403


def test_a_change_needs_the_token_of_its_own_session(visit: Visit) -> None:
    client, other = visit("administrator"), visit("administrator")
    for token in ("", "0" * 40, other.headers[CSRF_HEADER], "ä"):
        answer = client.post("/sign-out", headers={CSRF_HEADER: token.encode()})
        assert answer.status_code == 403
        assert answer.json()["error"].startswith("This page is older than your session. Nothing was changed")
    assert client.post("/sign-out").status_code == 200


def test_the_token_of_a_session_does_not_tell_its_cookie() -> None:
    assert csrf_of("") == ""
    assert csrf_of("a") != csrf_of("b")
    assert "secret" not in csrf_of("secret")


def test_the_page_carries_the_token(visit: Visit) -> None:
    client = visit("operator")
    assert f'<meta name="csrf" content="{client.headers[CSRF_HEADER]}">' in client.get("/").text


def test_no_get_changes_anything(visit: Visit, station: Station) -> None:
    token = station.people.sessions.link(station.people.administrator())
    client = visit("administrator")
    for path in ("/sign-out", f"/enter?token={token}", f"/enter/{token}", "/sign-in?name=a&password=b"):
        client.get(path)
    assert client.get("/session").status_code == 200
    assert station.people.sessions.use_link(token)


def test_a_program_with_a_token_of_its_own_needs_no_origin(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost")
    answer = client.post("/sign-out", headers={"authorization": "Bearer something"})
    assert answer.status_code == 401  # it comes through, to be asked who it is


def test_on_loopback_other_names_are_refused(visit: Visit) -> None:
    client = visit("administrator")
    for host in ("evil.example", "evil.example:8600", "127.0.0.1.evil.example", ""):
        answer = client.get("/session", headers={"host": host})
        assert answer.status_code == 403
        assert "is not reached as" in answer.json()["error"]
    for host in ("localhost:8600", "127.0.0.1:1", "[::1]:8600", "LOCALHOST"):
        assert client.get("/session", headers={"host": host}).status_code in (200, 401)


@pytest.fixture
def with_socket(app: FastAPI) -> FastAPI:
    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        me = await open_socket(websocket, "operator")
        if me is not None:
            await websocket.send_text(f"{me.person.name} {await websocket.receive_text()}")

    return app


def test_a_socket_of_somebody_signed_in_opens(with_socket: FastAPI, visit: Visit) -> None:
    with visit("operator").websocket_connect("ws://localhost/echo") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "operator1 hello"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_a_socket_of_a_foreign_page_is_refused_before_it_is_accepted(
    origin: str, with_socket: FastAPI, visit: Visit
) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        visit("operator").websocket_connect("ws://localhost/echo", headers={"origin": origin}) as socket,
    ):
        socket.receive_text()
    assert refused.value.code == 1008  # before `accept`, this answers the handshake with 403


def test_a_socket_of_nobody_is_closed_with_a_code_that_the_page_knows(with_socket: FastAPI, visit: Visit) -> None:
    with visit().websocket_connect("ws://localhost/echo") as socket:
        assert socket.receive() == {"type": "websocket.close", "code": SIGNED_OUT, "reason": "signed out"}


def test_a_socket_of_somebody_who_may_not_is_closed(with_socket: FastAPI, visit: Visit) -> None:
    with visit("annotator").websocket_connect("ws://localhost/echo") as socket:
        assert socket.receive() == {"type": "websocket.close", "code": 4403, "reason": "this takes the role operator"}


def test_an_open_socket_is_closed_when_its_session_ends(
    with_socket: FastAPI, visit: Visit, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teleop.station.web.auth.RECHECK_INTERVAL", 0.02)
    with contextlib.suppress(WebSocketDisconnect), visit("operator").websocket_connect("ws://localhost/echo") as socket:
        station.people.sessions.end_all(station.people.get("operator1"))
        assert socket.receive()["code"] == SIGNED_OUT


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/app.py",
        "/static/x/operate/routes.py",
        "/static/x/shared/base.html",
        "/static/x/jsconfig.json",
        "/static/x/../../app.py",
        "/static/x/..%2f..%2fapp.py",
        "/static/x/%2e%2e/%2e%2e/app.py",
        "/static/x//etc/passwd",
        "/static/x/....//app.py",
        "/static/../app.py",
        "/static/x/",
        "/static/x",
    ],
)
def test_nothing_outside_the_static_files_is_sent(path: str, visit: Visit) -> None:
    assert visit().get(path).status_code in (404, 405)


def test_static_files_are_kept_for_ever_under_todays_version_only(visit: Visit) -> None:
    from teleop.station.web.templates import static_url

    client = visit()
    assert "immutable" in client.get(static_url("shared/base.css")).headers["cache-control"]
    assert client.get("/static/yesterday/shared/base.css").headers["cache-control"] == "no-cache"
