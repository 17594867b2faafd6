from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from robo_rlhf.accounts import web_sessions
from teleop.station.services import Station

Visit = Callable[..., TestClient]
HTML = {"accept": "text/html"}
PASSWORD = "a few words of anna's"


@pytest.fixture
def anna(station: Station) -> str:
    station.people.add("anna", "operator")
    station.people.set_password("anna", PASSWORD)
    return "anna"


def token_of(station: Station) -> str:
    return station.people.sessions.link(station.people.administrator())


def test_a_link_signs_in_once(visit: Visit, station: Station) -> None:
    token, first, second = token_of(station), visit(), visit()
    answer = first.post("/enter", json={"token": token})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert token not in cookie
    assert first.get("/session").json()["role"] == "administrator"
    again = second.post("/enter", json={"token": token})
    assert again.status_code == 403
    assert again.json()["error"].startswith("Not signed in: this link was used before.")
    assert "set-cookie" not in again.headers


def test_a_link_grows_too_old(visit: Visit, station: Station) -> None:
    token = station.people.sessions.link(station.people.administrator(), life=-1)
    assert "too old" in visit().post("/enter", json={"token": token}).json()["error"]


def test_a_made_up_link_is_not_known(visit: Visit) -> None:
    assert "not known" in visit().post("/enter", json={"token": "nonsense"}).json()["error"]


def test_a_password_signs_in(visit: Visit, anna: str) -> None:
    client = visit()
    assert client.post("/sign-in", json={"name": anna, "password": PASSWORD}).json() == {"name": "anna"}
    assert client.get("/", headers=HTML).status_code == 200


def test_a_wrong_name_and_a_wrong_password_are_told_alike(visit: Visit, anna: str) -> None:
    client = visit()
    told = [
        client.post("/sign-in", json={"name": name, "password": "something else"}).json() for name in (anna, "nobody")
    ]
    assert told[0] == told[1]
    assert told[0]["error"].startswith("Not signed in: name or password are wrong.")


def test_after_five_failures_one_has_to_wait(visit: Visit, anna: str) -> None:
    client = visit()
    for _ in range(5):
        assert client.post("/sign-in", json={"name": anna, "password": "guess"}).status_code == 403
    answer = client.post("/sign-in", json={"name": anna, "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.json()["error"].startswith("Not signed in: there were too many failed attempts. Wait ")
    assert int(answer.headers["retry-after"]) > 0


def test_a_session_known_before_signing_in_is_not_taken_over(visit: Visit, station: Station) -> None:
    """Session fixation: a planted session, or one of before, is worth nothing after signing in."""
    client = visit()
    client.cookies.set(station.cookie, "planted-by-somebody-else")
    csrf = client.get("/sign-in").text.partition('name="csrf" content="')[2].partition('"')[0]
    client.post("/enter", json={"token": token_of(station)}, headers={"x-csrf-token": csrf})
    assert station.people.sessions.find("planted-by-somebody-else") is None
    first = client.cookies.get(station.cookie, domain="localhost.local")
    assert first
    assert first != "planted-by-somebody-else"
    csrf = client.get("/session").json()["csrf"]
    client.post("/enter", json={"token": token_of(station)}, headers={"x-csrf-token": csrf})
    assert station.people.sessions.find(first) is None  # the older session has ended


def test_signing_out_ends_the_session_at_once_for_every_copy_of_its_cookie(visit: Visit, station: Station) -> None:
    client, thief = visit("administrator"), visit()
    cookie = client.cookies.get(station.cookie)
    assert cookie
    thief.cookies.set(station.cookie, cookie)
    assert thief.get("/session").status_code == 200
    assert client.post("/sign-out").status_code == 200
    assert thief.get("/session").status_code == 401
    assert client.get("/session").status_code == 401


def test_disabling_a_person_ends_their_sessions_at_once(visit: Visit, station: Station) -> None:
    client = visit("operator")
    station.people.set_disabled("operator1", True)
    assert client.get("/session").status_code == 401


def test_a_session_expires(visit: Visit, station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visit("administrator")
    monkeypatch.setattr(web_sessions, "IDLE", -1.0)
    answer = client.get("/library?task=reach", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Flibrary%3Ftask%3Dreach&expired=1"
    assert "Your session has ended" in client.get(answer.headers["location"]).text
    told = client.get("/session").json()
    assert told == {"error": "Your session has ended. Nothing was changed; sign in again.", "code": "signed_out"}


def test_without_a_session_a_page_leads_to_signing_in_and_back(visit: Visit) -> None:
    answer = visit().get("/", headers=HTML)
    assert answer.headers["location"] == "/sign-in?next=%2F"
    assert visit().get("/session").json() == {"error": "Sign in first.", "code": "signed_out"}


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "x", ""])
def test_signing_in_leads_nowhere_else(path: str, visit: Visit) -> None:
    client = visit("annotator")
    assert client.get("/sign-in", params={"next": path}).headers["location"] == "/"
    assert '"next": "/"' in visit().get("/enter", params={"next": path}).text


def test_messages_of_a_wrong_shape_are_refused_in_words(visit: Visit) -> None:
    for body in ({}, {"token": 3}, {"token": "x", "more": 1}, {"token": "x" * 300}, [1]):
        answer = visit().post("/enter", json=body)
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid"
        assert answer.json()["error"].endswith("Nothing was changed.")
    assert visit().post("/enter", content=b"{").status_code == 422


def test_names_are_shown_as_text(visit: Visit, station: Station) -> None:
    page = visit().get("/nowhere%3Cscript%3Ealert(1)", headers=HTML).text
    assert "<script>alert" not in page
    answer = visit().get("/sign-in", params={"next": "/</script><script>alert(1)</script>"}).text
    assert "<script>alert" not in answer
