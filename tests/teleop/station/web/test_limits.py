"""Limits of one request: size, rate, depth and counts, checked before the content is read."""

import asyncio
import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from robo_rlhf.feedback.records import LONGEST_ANSWER
from teleop.station.services import Station
from teleop.station.web import limits
from teleop.station.web.limits import DEPTH, LISTS, MOST_BODY, MOST_VALUES, Limits, is_deep
from teleop.station.web.throttle import NOTES

Visit = Callable[..., TestClient]
JSON = {"content-type": "application/json"}


class Sent:
    """A request by hand, and what was answered."""

    def __init__(self, *parts: bytes, path: str = "/x", address: str = "10.0.0.1", length: int | None = None) -> None:
        headers = [(b"transfer-encoding", b"chunked")] if length is None else [(b"content-length", b"%d" % length)]
        self.scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": (address, 1)}
        self.parts, self.read = list(parts), 0
        self.answers: list[Message] = []

    async def receive(self) -> Message:
        if not self.parts:
            return {"type": "http.disconnect"}
        part = self.parts.pop(0)
        self.read += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Message) -> None:
        self.answers.append(message)

    @property
    def status(self) -> int:
        return int(self.answers[0]["status"]) if self.answers else 0


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with how much came."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})


def ask(app: Limits, sent: Sent) -> int:
    asyncio.run(app(sent.scope, sent.receive, sent.send))
    return sent.status


def test_a_body_comes_through_as_it_was() -> None:
    sent = Sent(b"[1, ", b"2]")
    assert ask(Limits(echo), sent) == 200
    assert sent.answers[1]["body"] == b"6"


def test_a_body_that_says_that_it_is_too_long_is_not_read() -> None:
    sent = Sent(b"x", length=MOST_BODY + 1)
    assert ask(Limits(echo), sent) == 413
    assert sent.read == 0
    assert json.loads(sent.answers[1]["body"])["code"] == "too_long"
    assert ask(Limits(echo), Sent(b"x" * MOST_BODY, length=MOST_BODY)) == 200


def test_a_body_of_unknown_length_is_read_no_further_than_it_may_be() -> None:
    sent = Sent(*[b"x" * 2**16] * 100)
    assert ask(Limits(echo), sent) == 413
    assert sent.read <= MOST_BODY + 2**16
    assert ask(Limits(echo), Sent(*[b"x" * 2**16] * 60, path=next(iter(LISTS)))) == 200


def test_half_a_body_is_never_passed_on() -> None:
    sent = Sent()
    messages: list[Message] = [{"type": "http.request", "body": b"[1", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    sent.receive = receive  # type: ignore[method-assign]
    assert ask(Limits(echo), sent) == 0


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.05)
    sent = Sent(b"x")

    async def receive() -> Message:
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b"x", "more_body": True}

    sent.receive = receive  # type: ignore[method-assign]
    assert ask(Limits(echo), sent) == 408


def test_what_an_address_has_in_memory_is_bounded() -> None:
    app = Limits(echo)
    app.held["10.0.0.1"] = limits.HELD_EACH
    assert ask(app, Sent(b"x")) == 429
    assert ask(app, Sent(b"x", address="10.0.0.2")) == 200
    app.held["10.0.0.3"] = limits.HELD - limits.HELD_EACH
    assert ask(app, Sent(b"x", address="10.0.0.2")) == 429
    assert set(app.held) == {"10.0.0.1", "10.0.0.3"}


def test_so_many_requests_of_an_address_are_open_at_a_time() -> None:
    app = Limits(echo)
    app.open["10.0.0.1"] = limits.OPEN_EACH
    sent = Sent(b"x")
    assert ask(app, sent) == 429
    assert (b"retry-after", b"5") in sent.answers[0]["headers"]
    assert ask(app, Sent(b"x", address="10.0.0.2")) == 200
    assert app.open == {"10.0.0.1": limits.OPEN_EACH}


@pytest.mark.parametrize(
    ("text", "depth"),
    [(b"[]", 1), (b'{"a": [{}]}', 3), (b'["[[[[", "\\"[[["]', 1), (b"[[], [[]]]", 3)],
)
def test_depth(text: bytes, depth: int) -> None:
    assert is_deep(text, depth - 1)
    assert not is_deep(text, depth)


def test_json_that_nobody_sends_is_refused_before_it_is_parsed() -> None:
    assert ask(Limits(echo), Sent(b"[" * DEPTH + b"]" * DEPTH)) == 200
    assert ask(Limits(echo), Sent(b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1))) == 422
    assert ask(Limits(echo), Sent(b"[" + b"1," * MOST_VALUES + b"1]")) == 413


@pytest.mark.parametrize("path", ["/sign-in", "/enter", "/api/v1/answers", "/api/review/answer", "/nowhere"])
def test_everywhere_signed_in_or_not(path: str, visit: Visit) -> None:
    assert MOST_BODY > 2 * LONGEST_ANSWER
    for client in (visit(), visit("administrator")):
        answer = client.post(path, content=b'"' + b"x" * MOST_BODY + b'"', headers=JSON)
        assert answer.status_code == 413
        assert "content-security-policy" in answer.headers


def test_deep_json_is_told_in_a_sentence(visit: Visit) -> None:
    answer = visit().post("/sign-in", content=b"[" * 5000, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Objects and lists are more than")


def test_nobody_writes_notes_without_end(visit: Visit, app: FastAPI) -> None:
    client, other = visit("annotator"), visit("annotator")

    def note(number: int) -> dict[str, str]:
        return {"about": "run", "name": "r", "text": "t", "key": f"k{number}"}

    codes = [client.post("/api/v1/notes", json=note(number)).status_code for number in range(NOTES + 1)]
    assert codes == [201] * NOTES + [429]
    refused = client.post("/api/v1/notes", json=note(0))
    assert refused.json()["code"] == "too_many"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert other.post("/api/v1/notes", json=note(0)).status_code == 201


def test_no_error_repeats_what_was_sent_nor_says_where_things_are(visit: Visit, station: Station) -> None:
    client = visit("operator")
    long = "x" * 50_000
    for path, body in (
        ("/operate", {"task": long[:100], long: 1}),
        ("/api/v1/questions", {"questions": [{long: long}]}),
        ("/api/v1/answers", {"question": "q", "key": "k", "value": {"choice": long}}),
    ):
        answer = client.post(path, json=body)
        assert 400 <= answer.status_code < 500
        assert len(answer.content) < 2000, path
    home = str(station.home)
    told = station.outward(f"{home}/demos/a.npz cannot be read; the disk of {home} is full")
    assert told == "demos/a.npz cannot be read; the disk of data home is full"


def test_an_error_of_the_database_does_not_say_where_it_is(visit: Visit, station: Station) -> None:
    from robo_rlhf.core.errors import BusyError, CorruptFileError

    def broken(*_: object, **__: object) -> None:
        raise CorruptFileError(station.home / "demos" / "e.npz", "cut off", f"Look into {station.home}.")

    client = visit("annotator")
    station.store.notes.add = broken  # type: ignore[method-assign, assignment]
    answer = client.post("/api/v1/notes", json={"about": "run", "name": "r", "text": "t", "key": "k"})
    assert answer.status_code == 500
    assert str(station.home) not in answer.text
    assert "demos/e.npz" in answer.json()["error"]
    text = str(BusyError(f"The database sqlite:///{station.home}/feedback.db", "it is locked"))
    assert str(station.home) not in station.outward(text)
