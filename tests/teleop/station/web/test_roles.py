"""Permissions: a row for every route of the station, and every route called with every role.

A route without a row fails, and so does a row without a route. A row says who may come at least, and the first digits
that the answer has for them. The requests are empty ones, about things called "nothing" that are not there: so a row
of a page mostly says "2", and one of a change "4". A user with a lower role gets 401 or 403 before any code
looks at what was sent.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.routing import APIWebSocketRoute
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from robo_rlhf.accounts.roles import ROLES, Role
from teleop.station.services import Station
from teleop.station.web.auth import FORBIDDEN, SIGNED_OUT
from teleop.station.web.throttle import BAD_TOKENS, Tries
from tests.teleop.station.conftest import ORIGIN

Visit = Callable[..., TestClient]
Who = Literal["everybody", "annotator", "operator", "administrator"]


class Row(NamedTuple):
    """What a route does."""

    who: Who  # may come, and those who may more
    answers: str  # first digits of its answer to the empty request, for whom it is
    in_person: bool = False  # a program's token does not do


ROUTES: dict[str, Row] = {
    # Signing in and out
    "GET /sign-in": Row("everybody", "23"),
    "POST /sign-in": Row("everybody", "4"),
    "GET /enter": Row("everybody", "2"),
    "POST /enter": Row("everybody", "4"),
    "GET /session": Row("annotator", "2"),
    "POST /sign-out": Row("annotator", "2", in_person=True),
    # Pages
    "GET /": Row("annotator", "2"),
    "GET /guidelines": Row("annotator", "2"),
    "POST /api/guidelines": Row("operator", "4"),
    "POST /api/guidelines/axes": Row("operator", "4"),
    "POST /api/library/compare": Row("operator", "4"),
    "GET /exports": Row("operator", "2"),
    "GET /exports/download/{name}": Row("operator", "4"),
    "GET /api/exports": Row("operator", "2"),
    "POST /api/exports": Row("operator", "4"),
    "POST /api/exports/delete": Row("operator", "4"),
    "POST /api/guidelines/reasons": Row("operator", "4"),
    "GET /api/guidelines/suggestions": Row("operator", "4"),
    # Accounts
    "GET /accounts": Row("administrator", "2"),
    "GET /accounts/people/{name}": Row("administrator", "4"),
    "GET /accounts/people.csv": Row("administrator", "2"),
    "GET /accounts/log": Row("administrator", "2"),
    "GET /accounts/log.csv": Row("administrator", "2"),
    "POST /api/accounts/invite": Row("administrator", "4"),
    "POST /api/accounts/link": Row("administrator", "4"),
    "POST /api/accounts/role": Row("administrator", "4"),
    "POST /api/accounts/disable": Row("administrator", "4"),
    "POST /api/accounts/enable": Row("administrator", "4"),
    "POST /api/accounts/sign-out": Row("administrator", "4"),
    "POST /api/accounts/groups": Row("administrator", "4"),
    "POST /api/accounts/revoke": Row("administrator", "4"),
    "GET /account": Row("annotator", "2"),
    "GET /api/account/data": Row("annotator", "2", in_person=True),
    "POST /api/account/erase": Row("annotator", "4", in_person=True),
    "GET /consent": Row("annotator", "2"),
    "POST /api/consent": Row("annotator", "4", in_person=True),
    "POST /api/consent/text": Row("administrator", "4"),
    "POST /api/account/password": Row("annotator", "4", in_person=True),
    "POST /api/account/groups": Row("annotator", "4", in_person=True),
    "POST /api/account/sessions/end": Row("annotator", "4", in_person=True),
    "POST /api/account/sessions/end-others": Row("annotator", "2", in_person=True),
    "POST /api/account/tokens": Row("annotator", "4", in_person=True),
    "POST /api/account/tokens/revoke": Row("annotator", "4", in_person=True),
    # Operating
    "GET /operate": Row("annotator", "2"),
    "POST /operate": Row("operator", "4"),
    "GET /operate/{session}": Row("annotator", "4"),
    "POST /operate/{session}/end": Row("operator", "4"),
    "SOCKET /operate/{session}/socket": Row("annotator", "4"),
    # Reviewing
    "GET /review": Row("annotator", "2"),
    "GET /review/clip/{name}": Row("annotator", "4"),
    "GET /review/poses/{name}": Row("annotator", "4"),
    "GET /review/video/{name}": Row("annotator", "4"),
    "GET /review/seen/{name}": Row("annotator", "4"),
    "POST /api/review/next": Row("annotator", "2"),
    "POST /api/review/answer": Row("annotator", "4"),
    "POST /api/review/undo": Row("annotator", "4"),
    "POST /api/review/note": Row("annotator", "4"),
    "POST /api/review/renew": Row("annotator", "4"),
    "POST /api/review/release": Row("annotator", "4"),
    "POST /api/review/broken": Row("annotator", "4"),
    "GET /api/review/pace": Row("annotator", "4"),
    "GET /api/review/correction": Row("annotator", "4"),
    # Questions
    "GET /questions": Row("operator", "2"),
    "POST /api/questions": Row("operator", "4"),
    "GET /api/questions/answered": Row("operator", "2"),
    "POST /api/questions/settle": Row("operator", "4"),
    "GET /answers": Row("annotator", "2"),
    "GET /api/questions/mine": Row("annotator", "2"),
    "GET /api/questions/surprises": Row("operator", "2"),
    # Training
    "GET /train": Row("operator", "2"),
    "GET /api/train": Row("operator", "2"),
    "POST /api/train": Row("operator", "4"),
    "POST /api/train/command": Row("operator", "4"),
    "GET /api/train/plan": Row("operator", "4"),
    "POST /api/train/plan": Row("operator", "4"),
    "POST /api/train/runs/{run}": Row("operator", "4"),
    # The monitor
    "GET /monitor/report/{run}": Row("annotator", "4"),
    "GET /monitor/clip/{run}/{dataset}/{episode}": Row("annotator", "4"),
    "GET /monitor/video/{run}/{name}": Row("annotator", "4"),
    "POST /api/monitor/notes": Row("operator", "4"),
    "POST /api/monitor/moments": Row("operator", "4"),
    "GET /monitor": Row("annotator", "2"),
    "GET /api/monitor/runs": Row("annotator", "2"),
    "GET /api/monitor/run": Row("annotator", "4"),
    "GET /api/monitor/in-use": Row("annotator", "2"),
    "GET /api/monitor/learning": Row("annotator", "2"),
    # Quality of the answers
    "GET /quality": Row("operator", "2"),
    "GET /api/quality": Row("operator", "2"),
    "GET /api/quality/operators": Row("operator", "4"),
    "POST /api/quality/settings": Row("operator", "4"),
    # What programs ask for
    "GET /api/v1/openapi.json": Row("annotator", "2"),
    "GET /api/v1/docs": Row("annotator", "2"),
    "GET /api/v1/me": Row("annotator", "2"),
    "PUT /api/v1/me/groups": Row("annotator", "4"),
    "GET /api/v1/annotators": Row("operator", "2"),
    "GET /api/v1/annotators/{name}/quality": Row("operator", "4"),
    "GET /api/v1/quality": Row("operator", "2"),
    "GET /api/v1/agreement": Row("operator", "2"),
    "GET /api/v1/answers": Row("operator", "2"),
    "GET /api/v1/answers/mine": Row("annotator", "2"),
    "POST /api/v1/answers": Row("annotator", "4"),
    "POST /api/v1/answers/take-back": Row("annotator", "4"),
    "GET /api/v1/clips": Row("operator", "2"),
    "GET /api/v1/clips/{clip}": Row("operator", "4"),
    "GET /api/v1/clips/{clip}/questions": Row("operator", "4"),
    "PUT /api/v1/clips/{clip}/state": Row("operator", "4"),
    "POST /api/v1/corrections": Row("operator", "4"),
    "GET /api/v1/export": Row("administrator", "2"),
    "POST /api/v1/import": Row("administrator", "4"),
    "GET /api/v1/uploads": Row("administrator", "2"),
    "POST /api/v1/uploads": Row("administrator", "4"),
    "GET /api/v1/uploads/{upload}": Row("administrator", "4"),
    "PATCH /api/v1/uploads/{upload}": Row("administrator", "4"),
    "DELETE /api/v1/uploads/{upload}": Row("administrator", "4"),
    "GET /api/v1/gold": Row("operator", "2"),
    "GET /api/v1/gold/{question}": Row("operator", "4"),
    "PUT /api/v1/gold/{question}": Row("operator", "4"),
    "POST /api/v1/gold/{question}/retire": Row("operator", "4"),
    "GET /api/v1/leases": Row("annotator", "2"),
    "POST /api/v1/leases": Row("annotator", "2"),
    "POST /api/v1/practice": Row("annotator", "2"),
    "POST /api/v1/leases/{lease}/renew": Row("annotator", "4"),
    "DELETE /api/v1/leases/{lease}": Row("annotator", "4"),
    "GET /api/v1/notes": Row("operator", "2"),
    "POST /api/v1/notes": Row("annotator", "4"),
    "GET /api/v1/questions": Row("operator", "2"),
    "POST /api/v1/questions": Row("operator", "4"),
    "GET /api/v1/questions/{question}": Row("operator", "4"),
    "POST /api/v1/questions/{question}/withdraw": Row("operator", "4"),
    "GET /api/v1/runs": Row("annotator", "2"),
    "GET /api/v1/runs/{run}": Row("annotator", "4"),
    "GET /api/v1/runs/{run}/rounds": Row("annotator", "4"),
    "PUT /api/v1/runs/{run}/rounds/{round}": Row("operator", "4"),
    "GET /api/v1/signals": Row("operator", "2"),
    "POST /api/v1/signals": Row("annotator", "4"),
    "POST /api/v1/signals/take-back": Row("annotator", "4"),
    "GET /api/v1/tasks": Row("annotator", "2"),
    "GET /api/v1/tasks/{task}": Row("annotator", "4"),
    "PATCH /api/v1/tasks/{task}/settings": Row("operator", "2"),
    "GET /api/v1/settings": Row("annotator", "2"),
    "PATCH /api/v1/settings": Row("operator", "2"),
    "GET /api/v1/tasks/{task}/guidelines": Row("annotator", "4"),
    "PUT /api/v1/tasks/{task}/guidelines": Row("operator", "4"),
    "GET /api/v1/webhooks": Row("administrator", "2"),
    "POST /api/v1/webhooks": Row("administrator", "4"),
    "GET /api/v1/webhooks/{webhook}": Row("administrator", "4"),
    "PATCH /api/v1/webhooks/{webhook}": Row("administrator", "4"),
    "DELETE /api/v1/webhooks/{webhook}": Row("administrator", "4"),
    "POST /api/v1/webhooks/{webhook}/test": Row("administrator", "4"),
    "GET /api/v1/webhooks/{webhook}/messages": Row("administrator", "4"),
    # Webhooks
    "GET /webhooks": Row("administrator", "2"),
    # The arena
    "GET /arena": Row("operator", "2"),
    "GET /arena/{name}": Row("operator", "4"),
    "GET /api/arenas": Row("operator", "2"),
    "GET /api/arenas/{name}": Row("operator", "4"),
    "POST /api/arenas": Row("operator", "4"),
    "POST /api/arenas/{name}/more": Row("operator", "4"),
    "POST /api/arenas/{name}/names": Row("operator", "4"),
    # The live signal
    "GET /signal": Row("annotator", "2"),
    "GET /api/signal/practice": Row("annotator", "2"),
    "POST /api/signal/press": Row("annotator", "4"),
    "POST /api/signal/undo": Row("annotator", "4"),
    "GET /api/signal/list": Row("annotator", "4"),
    # Asking a policy
    "GET /ask": Row("annotator", "2"),
    "GET /ask/clip/{name}": Row("annotator", "4"),
    "GET /ask/poses/{name}": Row("annotator", "4"),
    "GET /api/ask/choices": Row("annotator", "2"),
    "GET /api/ask/look": Row("annotator", "4"),
    "GET /api/ask/predict": Row("annotator", "4"),
    "GET /api/ask/judge": Row("annotator", "4"),
    "POST /api/ask/compare": Row("annotator", "4"),
    # The library
    "GET /library": Row("annotator", "2"),
    "GET /library/episode/{dataset:path}/{episode}": Row("annotator", "2"),
    "GET /library/trash": Row("annotator", "2"),
    "GET /library/statistics": Row("annotator", "2"),
    "GET /library/download": Row("annotator", "4"),
    "GET /library/zip/{ticket}": Row("annotator", "4"),
    "GET /api/library/statistics": Row("annotator", "2"),
    "GET /api/library/episodes": Row("annotator", "2"),
    "GET /api/library/keys": Row("annotator", "2"),
    "GET /api/library/episode": Row("annotator", "4"),
    "GET /api/library/signals": Row("annotator", "4"),
    "GET /api/library/cameras": Row("annotator", "4"),
    "GET /api/library/trash": Row("annotator", "2"),
    "POST /api/library/change": Row("operator", "4"),
    "POST /api/library/preference": Row("operator", "4"),
    "POST /api/library/zip": Row("annotator", "4"),
    "GET /media/poster": Row("annotator", "4"),
    "GET /media/frame": Row("annotator", "4"),
    "GET /media/hover": Row("annotator", "4"),
    "GET /media/clip": Row("annotator", "4"),
    "GET /media/part": Row("annotator", "4"),
    "GET /media/poses": Row("annotator", "4"),
    "GET /media/recording": Row("annotator", "4"),
    "GET /media/seen": Row("annotator", "4"),
    "GET /media/places": Row("annotator", "4"),
    "GET /media/scene": Row("annotator", "4"),
    "GET /media/assets": Row("annotator", "4"),
    "PUT /api/v1/tasks/{task}/axes": Row("operator", "4"),
    "PUT /api/v1/tasks/{task}/reasons": Row("operator", "4"),
}


LAST = ("POST /sign-out",)  # ends what the others need


def routes_of(app: FastAPI) -> list[str]:
    """Return every route, such as "GET /library"; what answers HEAD as well stands there once."""

    def walk(routes: Any) -> Iterator[str]:
        for route in routes:
            inner = getattr(route, "original_router", None)  # a router that was included
            if inner is not None:
                yield from walk(inner.routes)
            elif isinstance(route, APIWebSocketRoute):
                yield f"SOCKET {route.path}"
            elif isinstance(route, Route):
                yield from (f"{method} {route.path}" for method in sorted((route.methods or set()) - {"HEAD"}))
            else:
                assert isinstance(route, Mount), route
                assert route.path == "/static", route.path  # files that anybody may have

    return sorted(walk(app.routes), key=lambda name: name in LAST)


def call(client: TestClient, name: str, **more: Any) -> int:
    """Send the empty request to a route and return the status; of a socket, as if it were HTTP."""
    method, path = name.split(" ", 1)
    parts = ["nothing" if part.startswith("{") else part for part in path.split("/")]
    if method != "SOCKET":
        body: dict[str, str] | None = None if method == "GET" else {}
        return client.request(method, "/".join(parts), json=body, **more).status_code
    with client.websocket_connect(f"ws://localhost{'/'.join(parts)}?key=nothing", **more) as socket:
        code = socket.receive().get("code", 0)
    return {SIGNED_OUT: 401, FORBIDDEN: 403}.get(code, 404)


def wrong(client: TestClient, app: FastAPI, role: Role | None, *, program: bool = False) -> list[str]:
    """Call every route and return what was answered otherwise than it is written."""
    found = []
    for name in filter(ROUTES.get, routes_of(app)):  # one without a row fails by itself
        row, status = ROUTES[name], call(client, name)
        refused = 0
        if row.who != "everybody":
            low = role is not None and ROLES.index(role) > ROLES.index(row.who)
            refused = 401 if role is None else 403 if low or (program and row.in_person) else 0
        right = status == refused if refused else status not in (401, 403) and str(status)[0] in row.answers
        if not right:
            found.append(f"{name} answered {status}, expected {refused or row.answers}")
    return found


def test_every_route_has_a_row_and_every_row_a_route(app: FastAPI) -> None:
    routes = routes_of(app)
    assert sorted(set(routes)) == sorted(routes), "two routes of one name"
    assert sorted(set(routes) - set(ROUTES)) == [], "routes without a row"
    assert sorted(set(ROUTES) - set(routes)) == [], "rows without a route"


@pytest.mark.parametrize("role", [None, *ROLES])
def test_in_a_browser(role: Role | None, app: FastAPI, visit: Visit) -> None:
    assert wrong(visit(role), app, role) == []


@pytest.mark.parametrize("role", ROLES)
def test_with_a_token(role: Role, app: FastAPI, station: Station, visit: Visit) -> None:
    """The token is an administrator's: what counts is the role for which it was made."""
    station.people.add("root", "administrator")
    secret, _ = station.people.tokens.create(station.people.get("root"), "a program", role)
    client = visit()
    client.headers["authorization"] = f"Bearer {secret}"
    assert wrong(client, app, role, program=True) == []


def test_with_a_token_that_was_revoked(app: FastAPI, station: Station) -> None:
    station.people.add("root", "administrator")
    secret, token = station.people.tokens.create(station.people.get("root"), "a program", "administrator")
    station.people.tokens.revoke(token.number)
    headers = {"origin": ORIGIN, "authorization": f"Bearer {secret}"}
    client = TestClient(app, base_url=ORIGIN, headers=headers, follow_redirects=False, raise_server_exceptions=False)
    for name in filter(ROUTES.get, routes_of(app)):
        station.bad_tokens = Tries(BAD_TOKENS)
        if ROUTES[name].who != "everybody":
            assert call(client, name) == 401, name
