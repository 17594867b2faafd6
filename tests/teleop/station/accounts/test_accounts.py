"""Accounts over HTTP: administration of other accounts, and each user's own account."""

import contextlib
import csv
import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from robo_rlhf.core.errors import TokenError
from robo_rlhf.feedback.quality.team_overview import member_of
from teleop.station.services import Station
from teleop.station.web.auth import FORBIDDEN, SIGNED_OUT, open_socket
from teleop.station.web.csv_tables import as_csv, cell

Visit = Callable[..., TestClient]
HTML = {"accept": "text/html"}
PASSWORD, ANOTHER = "a few words of anna's", "some other words"
HOSTILE = (Path(__file__).parent / "hostile.txt").read_text().splitlines()


def do(client: TestClient, path: str, code: int = 200, **body: object) -> dict[str, object]:
    answer = client.post(path, json=body)
    assert answer.status_code == code, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_an_invitation_lets_somebody_in_once(visit: Visit, station: Station) -> None:
    path = str(do(visit("administrator"), "/api/accounts/invite", name=" anna ", role="operator")["path"])
    assert unquote(path).startswith("/enter?next=/account#")
    new, late = visit(), visit()
    assert new.post("/enter", json={"token": path.partition("#")[2]}).status_code == 200
    assert new.get("/session").json()["role"] == "operator"
    assert "Choose a password" in new.get("/account").text
    assert late.post("/enter", json={"token": path.partition("#")[2]}).status_code == 403
    assert [entry.act for entry in station.people.log(3)] == ["signed in", "link made", "person added"]
    assert station.people.log(3)[2].who == "administrator1"


def test_what_an_administrator_changes_holds_at_once(visit: Visit, station: Station) -> None:
    root, other = visit("administrator"), visit("operator")
    name = "operator2"
    assert do(root, "/api/accounts/role", name=name, role="annotator")["role"] == "annotator"
    assert other.post("/api/guidelines", json={"task": "x", "text": "y"}).status_code == 403
    assert do(root, "/api/accounts/groups", name=name, groups=["b", "a", "A"])["groups"] == ["a", "b"]
    assert member_of(station.people, name).groups == ("a", "b")
    page = root.get(f"/accounts/people/{name}", headers=HTML).text
    assert 'value="a, b"' in page
    assert do(root, "/api/accounts/sign-out", name=name) == {"ended": 1}
    assert other.get("/session").status_code == 401
    assert do(root, "/api/accounts/sign-out", name="administrator1") == {"ended": 0}  # not oneself
    secret, _ = station.people.tokens.create(station.people.get(name), "x", "annotator")
    link = str(do(root, "/api/accounts/link", name=name)["path"]).partition("#")[2]
    do(root, "/api/accounts/disable", name=name)
    assert "disabled" in do(visit(), "/enter", 403, token=link)["error"]  # type: ignore[operator]
    with pytest.raises(TokenError, match="disabled"):
        station.people.tokens.find(secret)
    do(root, "/api/accounts/enable", name=name)
    assert "used before" in do(visit(), "/enter", 403, token=link)["error"]  # type: ignore[operator]
    assert do(root, "/api/accounts/disable", 422, name="administrator1")["code"] == "invalidvalue"


def test_ones_own_password(visit: Visit, station: Station) -> None:
    here, elsewhere = visit("annotator"), visit()
    anna = station.people.get("annotator1")
    do(elsewhere, "/enter", token=station.people.sessions.link(anna))
    do(here, "/api/account/password", new=PASSWORD)
    assert here.get("/session").status_code == 200
    assert elsewhere.get("/session").status_code == 401  # the others end
    assert "the old password is wrong" in do(here, "/api/account/password", 403, old="x", new=ANOTHER)["error"]  # type: ignore[operator]
    do(here, "/api/account/password", 422, old=PASSWORD, new="short")
    do(here, "/api/account/password", old=PASSWORD, new=ANOTHER)
    do(visit(), "/sign-in", name=anna.name, password=ANOTHER)
    for _ in range(5):
        do(here, "/api/account/password", 403, old="x", new=ANOTHER)
    assert here.post("/api/account/password", json={"old": "x", "new": ANOTHER}).status_code == 429


def test_ones_own_browsers(visit: Visit, station: Station) -> None:
    here, second, third = visit("annotator"), visit(), visit()
    anna = station.people.get("annotator1")
    for client in (second, third):
        do(client, "/enter", token=station.people.sessions.link(anna))
    assert here.get("/account", headers=HTML).text.count("this one") == 1
    own, stranger = station.people.sessions.of(anna), visit("annotator")
    do(stranger, "/api/account/sessions/end", 404, id=own[0].digest)  # of another user
    do(here, "/api/account/sessions/end", id=own[0].digest)
    assert [client.get("/session").status_code for client in (here, second, third)] == [200, 200, 401]
    assert do(here, "/api/account/sessions/end-others") == {"ended": 1}
    assert second.get("/session").status_code == 401


def test_ones_own_tokens(visit: Visit, station: Station) -> None:
    here, stranger = visit("operator"), visit("operator")
    made = do(here, "/api/account/tokens", name="nightly", role="annotator", days=7)
    assert station.people.tokens.find(str(made["token"])).acting.role == "annotator"
    page = here.get("/account", headers=HTML).text
    assert "nightly" in page
    assert str(made["token"]) not in page
    do(here, "/api/account/tokens", 422, name="x", role="administrator", days=7)
    do(here, "/api/account/tokens", 422, name="x", role="annotator", days=1000)
    do(stranger, "/api/account/tokens/revoke", 404, number=made["number"])
    do(here, "/api/account/tokens/revoke", number=made["number"])
    with pytest.raises(TokenError, match="revoked"):
        station.people.tokens.find(str(made["token"]))
    both = [(entry.who, entry.act) for entry in station.people.log(2)]
    assert both == [("operator1", "token revoked"), ("operator1", "token made")]


def test_the_log_is_filtered_and_turned_page_by_page(visit: Visit, station: Station) -> None:
    root = visit("administrator")
    for i in range(60):
        station.people.set_groups("administrator1", [f"group {i}"], address="1.2.3.4")
    first = root.get("/accounts/log?act=groups+changed", headers=HTML).text
    assert first.count("<tr>") == 51
    assert "group 59" in first
    older = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = root.get(older, headers=HTML).text
    assert second.count("<tr>") == 11
    assert "group 0<" in second
    assert "group 10<" not in second
    assert 'rel="next"' not in second
    assert root.get("/accounts/log?text=GROUP+5", headers=HTML).text.count("<tr>") == 12
    assert "No entry matches" in root.get("/accounts/log?text=%25", headers=HTML).text  # no wildcard
    assert "No entry matches" in root.get("/accounts/log?who=nobody&before=99999999", headers=HTML).text
    file = root.get("/accounts/log.csv?act=groups+changed")
    assert file.headers["content-disposition"] == 'attachment; filename="log.csv"'
    rows = list(csv.reader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert len(rows) == 61
    assert rows[1][1:] == ["administrator1", "groups changed", "administrator1: group 59", "1.2.3.4"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    lines = b"".join(as_csv(("a", "b"), [(text, -1.5)])).decode()
    (_, (first, second)) = csv.reader(io.StringIO(lines.removeprefix("\ufeff")))
    assert not first.lstrip().startswith(("=", "+", "-", "@"))
    assert first.removeprefix("'") in (text, text.removeprefix("'"))
    assert second == "-1.5"  # a number stays one
    assert lines.startswith('\ufeff"a","b"')


def test_cells_that_would_be_formulas() -> None:
    assert [cell(text) for text in ("=1", " =1", "\t=1", "\uff1d1", "-", "a=1", "", 3, None)] == [
        *("'=1", "' =1", "'\t=1", "'\uff1d1", "'-", "a=1", "", 3, None)
    ]


@pytest.mark.parametrize("ending", ["disabled", "demoted", "revoked"])
def test_an_open_socket_closes_when_its_person_may_not_any_more(
    ending: str, app: FastAPI, visit: Visit, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teleop.station.web.auth.RECHECK_INTERVAL", 0.02)

    @app.websocket("/listen")
    async def listen(websocket: WebSocket) -> None:
        if await open_socket(websocket, "operator") is not None:
            await websocket.send_text("open")
            with contextlib.suppress(WebSocketDisconnect):
                await websocket.receive_text()

    client = visit("operator")
    token = station.people.tokens.create(station.people.get("operator1"), "x", "operator")
    headers = {"authorization": f"Bearer {token[0]}"} if ending == "revoked" else {}
    with client.websocket_connect("ws://localhost/listen", headers=headers) as socket:
        assert socket.receive_text() == "open"
        if ending == "disabled":
            station.people.set_disabled("operator1", True)
        elif ending == "demoted":
            station.people.set_role("operator1", "annotator")
        else:
            station.people.tokens.revoke(token[1].number)
        assert socket.receive()["code"] == (FORBIDDEN if ending == "demoted" else SIGNED_OUT)
