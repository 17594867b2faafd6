"""API tokens: what a token permits, and when it expires or is revoked."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from robo_rlhf.accounts import tokens
from robo_rlhf.accounts.roles import Role
from teleop.station.services import Station
from teleop.station.web.throttle import BAD_TOKENS, WINDOW, Tries
from tests.teleop.station.conftest import ORIGIN

Visit = Callable[..., TestClient]
Program = Callable[..., TestClient]


@pytest.fixture
def program(app: FastAPI, station: Station) -> Program:
    """Return a function that gives a client with the token of a person: no cookie, no Origin."""

    def program(name: str, scope: Role = "annotator", days: float = 1.0) -> TestClient:
        secret, _ = station.people.tokens.create(station.people.get(name), "a program", scope, days=days)
        headers = {"authorization": f"Bearer {secret}"}
        return TestClient(app, base_url=ORIGIN, headers=headers, follow_redirects=False, raise_server_exceptions=False)

    return program


def test_a_token_acts_for_its_person(station: Station, program: Program) -> None:
    station.people.add("anna", "operator")
    assert program("anna", "operator").get("/session").json() == {"name": "anna", "role": "operator", "csrf": ""}


def test_a_token_may_do_no_more_than_its_scope_nor_its_person(station: Station, program: Program) -> None:
    station.people.add("anna", "operator")
    low, high = program("anna", "annotator"), program("anna", "operator")
    body = {"task": "pick_place", "text": "Slowly."}
    refused = low.post("/api/guidelines", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert high.post("/api/guidelines", json=body).status_code == 200
    station.people.set_role("anna", "annotator")
    assert high.post("/api/guidelines", json=body).status_code == 403


def test_beside_a_token_no_cookie_counts(visit: Visit, station: Station, program: Program) -> None:
    browser = visit("administrator")
    cookie = browser.cookies.get(station.cookie)
    assert cookie
    station.people.add("anna", "annotator")
    both = program("anna")
    both.cookies.set(station.cookie, cookie)
    assert both.get("/session").json() == {"name": "anna", "role": "annotator", "csrf": ""}
    body = {"task": "pick_place", "text": "Slowly."}
    assert both.post("/api/guidelines", json=body).status_code == 403
    browser.headers.pop("x-csrf-token")
    for header in ("Bearer nonsense", "Bearer rlhf_nonsense", "Bearer", "bearer  x"):
        answer = browser.post("/api/guidelines", json=body, headers={"authorization": header})
        assert answer.status_code == 401  # the cookie of an administrator is no help
        assert browser.get("/session", headers={"authorization": header}).status_code == 401
    assert browser.post("/api/guidelines", json=body, headers={"authorization": "Basic x"}).status_code == 403


def test_a_token_that_lets_nobody_in_is_told_why(station: Station, program: Program) -> None:
    anna = station.people.add("anna", "annotator")
    revoked, expired, disabled = program("anna"), program("anna"), program("anna")
    station.people.tokens.revoke(1, person=anna)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "timestamp", lambda seconds=0.0: "9999-01-01T00:00:00.000+00:00")
        answers = {"revoked": revoked.get("/session"), "expired": expired.get("/session")}
    station.people.set_disabled("anna", True)
    answers["disabled"] = disabled.get("/session", headers={"accept": "text/html"})
    for state, answer in answers.items():
        assert answer.status_code == 401
        assert answer.json()["code"] == f"token_{state}"
        assert answer.json()["error"].startswith("The token is not accepted: it")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    station.people.set_disabled("anna", False)
    assert disabled.get("/session").json()["code"] == "token_revoked"  # disabling ended it for good


def test_a_program_cannot_sign_out(station: Station, program: Program) -> None:
    station.people.add("anna", "annotator")
    assert program("anna").post("/sign-out").json()["code"] == "not_by_token"


def test_who_tries_many_tokens_has_to_wait_and_good_ones_do_not(
    app: FastAPI, station: Station, program: Program
) -> None:
    station.people.add("anna", "annotator")
    bad = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    tried = [bad.get("/session", headers={"authorization": f"Bearer rlhf_{i}"}) for i in range(BAD_TOKENS + 1)]
    assert [answer.status_code for answer in tried] == [401] * BAD_TOKENS + [429]
    last = bad.get("/session", headers={"authorization": "Bearer rlhf_x"})
    assert last.json()["code"] == "too_many"
    assert 0 < int(last.headers["retry-after"]) <= WINDOW
    assert program("anna").get("/session").status_code == 200  # from there too, though it never came before


def test_waiting_ends() -> None:
    now = [0.0]
    tries = Tries(3, lambda: now[0])
    assert [tries.count("here") for _ in range(4)] == [0.0, 0.0, 0.0, WINDOW]
    assert tries.count("there") == 0.0
    now[0] = WINDOW
    assert tries.count("here") == 0.0
