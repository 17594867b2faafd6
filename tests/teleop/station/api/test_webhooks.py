"""Webhooks against a real receiver: one that is well, slow, down, or says no; and a station that is killed."""

import asyncio
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import robo_rlhf
from robo_rlhf.feedback.notes import Round
from robo_rlhf.feedback.store import Store
from robo_rlhf.webhooks import queue
from robo_rlhf.webhooks.tables import deliveries
from teleop.station.services import Station
from teleop.station.webhooks import sender
from teleop.station.webhooks.sender import Direct, NotSentError, WebhookSender, may_reach
from tests.feedback.making import make_question
from tests.teleop.station.api.conftest import Program
from tests.teleop.station.api.receiving import Receiver, receiving, until

ROOT = Path(robo_rlhf.__file__).parents[1]
SECRET = "a secret of the test"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "POLL_INTERVAL", 0.02)
    monkeypatch.setattr(queue, "FIRST", 0.05)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@contextmanager
def sending(store: Store, *, private: bool = True) -> Iterator[WebhookSender]:
    """Send messages, as a station does while it runs."""
    found = WebhookSender(lambda: store.webhooks, allow_private=private)
    asyncio.run(found.start())
    try:
        yield found
    finally:
        asyncio.run(found.stop())


def say(store: Store, number: int, choice: str = "A", **more: Any) -> None:
    question = make_question(number)
    store.add_questions([question])
    store.answer(question.id, "anna", {"choice": choice}, key=f"{number} {choice}", **more)


def states(store: Store, hook: int) -> list[str]:
    return [row["state"] for row in store.webhooks.messages(hook).items]


def test_an_answer_is_told_and_signed(station: Station, receiver: Receiver) -> None:
    store = station.store
    hook, _ = store.webhooks.add(receiver.url, ["answer.created", "answer.changed"], secret=SECRET)
    with sending(store):
        say(store, 1)
        (got,) = until(lambda: receiver.got)
        until(lambda: states(store, hook.id) == ["delivered"])
    said = json.loads(got.body)
    assert (got.path, got.headers["X-Robo-Rlhf-Event"]) == ("/hook?a=1", "answer.created")
    assert said["event"] == "answer.created"
    wanted = {"annotator": "anna", "value": {"choice": "A"}, "run": "run", "kind": "pairwise", "standing": "counted"}
    assert wanted.items() <= said["data"].items()
    timestamp, proof = (part.split("=", 1)[1] for part in got.headers["X-Robo-Rlhf-Signature"].split(","))
    right = hmac.new(SECRET.encode(), timestamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(proof, right)
    assert abs(time.time() - int(timestamp)) < 60


def test_only_what_was_asked_for_is_told(station: Station) -> None:
    store = station.store
    told = {name: store.webhooks.add(f"https://example.org/{name}", [name])[0].id for name in queue.EVENTS}
    resting, _ = store.webhooks.add("https://example.org/resting", list(queue.EVENTS))
    store.webhooks.change(resting.id, active=False)
    say(store, 1)
    say(store, 1)  # the same once more: nothing happened
    say(store, 1, "B")
    store.answer(make_question(1).id, "anna", None, key="back")
    store.clips.withdraw_question(make_question(1).id, "by mistake")
    store.rounds.set(Round("run", 3, "learning", {"accuracy": 0.8}))
    counts = {name: len(states(store, hook)) for name, hook in told.items()}
    assert counts == {"answer.created": 1, "answer.changed": 2, "question.withdrawn": 1, "run.round": 1}
    assert states(store, resting.id) == []
    (message,) = store.webhooks.messages(told["run.round"]).items
    assert json.loads(message["body"])["data"]["meta"] == {"accuracy": 0.8}


def test_nothing_is_told_of_what_did_not_happen(station: Station) -> None:
    store = station.store
    hook, _ = store.webhooks.add("https://example.org", ["answer.created"])

    def broken(connection: sa.Connection) -> None:
        from robo_rlhf.webhooks.events import queue_event

        queue_event(connection, "answer.created", [{"number": 1}])
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        store.database.write(broken)
    assert states(store, hook.id) == []


def test_a_receiver_that_says_no_is_asked_again_until_it_is_well(station: Station, receiver: Receiver) -> None:
    store = station.store
    hook, _ = store.webhooks.add(receiver.url, ["answer.created"])
    receiver.status = 500
    with sending(store):
        for number in range(5):
            say(store, number)
        until(lambda: len(receiver.got) >= 3)
        waits = store.webhooks.messages(hook.id).items
        assert {row["state"] for row in waits} == {"waiting"}
        assert any(row["problem"] == "the receiver answered 500" for row in waits)
        receiver.status = 204
        until(lambda: states(store, hook.id) == ["delivered"] * 5)
    assert all(row["problem"] == "" for row in store.webhooks.messages(hook.id).items)


def test_redirects_are_not_followed(station: Station, receiver: Receiver) -> None:
    store = station.store
    hook, _ = store.webhooks.add(receiver.url, ["answer.created"])
    receiver.status, receiver.location = 302, f"http://127.0.0.1:{receiver.port}/elsewhere"
    with sending(store):
        say(store, 1)
        until(lambda: store.webhooks.messages(hook.id).items[0]["problem"] == "the receiver answered 302")
    assert {got.path for got in receiver.got} == {"/hook?a=1"}


def test_one_that_is_down_is_sent_to_when_it_is_back(station: Station) -> None:
    store = station.store
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hook, _ = store.webhooks.add(f"http://127.0.0.1:{port}/", ["answer.created"])
    with sending(store):
        say(store, 1)
        until(lambda: "refused" in store.webhooks.messages(hook.id).items[0]["problem"])
        with receiving(port) as receiver:
            until(lambda: states(store, hook.id) == ["delivered"])
            assert len(receiver.got) == 1


def test_a_slow_receiver_holds_up_nobody(station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    store = station.store
    slow, _ = store.webhooks.add(receiver.url, ["answer.created"])
    receiver.wait = 30.0
    with receiving() as well, sending(store):
        quick, _ = store.webhooks.add(well.url, ["answer.created"])
        for number in range(3):
            say(store, number)  # returns though nobody has received anything
        until(lambda: states(store, quick.id) == ["delivered"] * 3)
        assert set(states(store, slow.id)) == {"waiting"}
    assert set(states(store, slow.id)) == {"waiting"}  # stopping cut it, and it is sent after the next start


@pytest.mark.parametrize("how", ["silent", "drip"])
def test_patience_ends(how: str, receiver: Receiver) -> None:
    receiver.wait, receiver.drip = (30.0, False) if how == "silent" else (0.0, True)
    message = queue.Message(1, 1, receiver.url, SECRET, "test", "{}", 1, 0.0)
    begun = time.monotonic()
    with pytest.raises(NotSentError):
        Direct(message, True, patience=0.4).post()
    assert time.monotonic() - begun < 20


def test_after_a_day_it_is_given_up(station: Station, receiver: Receiver) -> None:
    store = station.store
    hook, _ = store.webhooks.add(receiver.url, ["answer.created"])
    receiver.status = 503
    for number in range(3):
        say(store, number)
    old = sa.update(deliveries).values(created=time.time() - 2 * queue.GIVE_UP)
    store.database.write(lambda connection: connection.execute(old.where(deliveries.c.number < 3)))
    with sending(store):
        until(lambda: sorted(states(store, hook.id)).count("given_up") == 2)
    rows = store.webhooks.messages(hook.id).items
    assert [row["state"] for row in rows] == ["waiting", "given_up", "given_up"]
    assert all(row["problem"] for row in rows if row["state"] == "given_up")
    store.database.write(
        lambda connection: connection.execute(
            sa.update(deliveries).where(deliveries.c.state == "given_up").values(created=time.time() - 9 * 86400)
        )
    )
    assert store.webhooks.tidy() == 2


def test_a_killed_station_loses_no_message(home: Path) -> None:
    """The station is killed while its receiver is away; the next one sends what was written."""
    program = (
        "import sys; from pathlib import Path; from robo_rlhf.feedback.store import Store;"
        "from tests.feedback.making import make_question; s = Store(Path(sys.argv[1]));"
        "s.webhooks.add(sys.argv[2], ['answer.created']);"
        "q = [make_question(i) for i in range(200)]; s.add_questions(q)\n"
        "for i, one in enumerate(q):\n"
        "  s.answer(one.id, 'anna', {'choice': 'A'}, key=str(i)); print(i, flush=True)"
    )
    with receiving() as receiver:
        command = [sys.executable, "-c", program, str(home / "feedback.db"), receiver.url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(20):
                process.stdout.readline()
            process.kill()
        with Store(home / "feedback.db") as store:
            answered = len(store.answers())
            assert answered >= 20
            with sending(store):
                until(lambda: len(receiver.got) == answered)
            numbers = [json.loads(got.body)["data"]["number"] for got in receiver.got]
            assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("169.254.169.254", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("240.0.0.1", False, True),
        ("::1", False, True),
        ("fe80::1%eth0", False, False),
        ("fd00::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("2606:2800:220:1:248:1893:25c8:1946", True, True),
    ],
)
def test_where_messages_may_go(address: str, public: bool, private: bool) -> None:
    assert (may_reach(address, False), may_reach(address, True)) == (public, private)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_machine_is_reached_only_where_that_is_allowed(host: str, receiver: Receiver) -> None:
    url = f"http://{host}:{receiver.port}/"
    message = queue.Message(1, 1, url, SECRET, "test", "{}", 1, 0.0)
    with pytest.raises(NotSentError, match=r"not a public address|is not known"):
        Direct(message, False).post()
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http://name:password@example.org/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org/\r\nHost: other",
        "http://[::1",
        "javascript:alert(1)",
    ],
)
def test_addresses_that_are_none(url: str, program: Program) -> None:
    answer = program("administrator").post("webhooks", json={"url": url, "events": ["answer.created"]})
    assert (answer.status_code, set(answer.json())) == (422, {"error", "code"})


def test_webhooks_are_added_changed_tried_and_removed(program: Program, station: Station, receiver: Receiver) -> None:
    administrator = program("administrator")
    made = administrator.post("webhooks", json={"url": receiver.url, "events": ["run.round", "answer.created"]})
    assert made.status_code == 201
    assert len(made.json()["secret"]) >= 32
    hook = made.json()["webhook"]
    assert hook["events"] == ["answer.created", "run.round"]
    assert "secret" not in administrator.get(f"webhooks/{hook['id']}").text
    number = administrator.post(f"webhooks/{hook['id']}/test").json()["number"]
    with sending(station.store):
        until(lambda: receiver.got)
        until(lambda: states(station.store, hook["id"]) == ["delivered"])
    (message,) = administrator.get(f"webhooks/{hook['id']}/messages").json()["items"]
    assert (message["number"], message["event"], message["state"]) == (number, "test", "delivered")
    assert (message["tries"], message["status"], message["due"]) == (1, 200, None)
    changed = administrator.patch(f"webhooks/{hook['id']}", json={"active": False}).json()
    assert (changed["active"], changed["events"]) == (False, ["answer.created", "run.round"])
    assert administrator.get("webhooks").json()["items"] == [changed]
    assert administrator.delete(f"webhooks/{hook['id']}").status_code == 204
    assert administrator.get(f"webhooks/{hook['id']}").status_code == 404
    assert administrator.get(f"webhooks/{hook['id']}/messages").status_code == 404
