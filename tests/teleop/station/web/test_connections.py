"""A real server over the guarded connection: heads, pauses and numbers of connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from teleop.station.web import connections
from teleop.station.web.connections import HEAD_BYTES, Connection, is_among, most_open

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, with who asks, without reading any body."""
    client = scope["client"][0].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(client))]})
    await send({"type": "http.response.body", "body": client})


@pytest.fixture
def port() -> Iterator[int]:
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="critical",
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.3"],
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join()


def open_one(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))


def told(link: socket.socket, *parts: bytes) -> bytes:
    """Send parts and return all that is answered until the connection ends, or goes on."""
    try:
        for part in parts:
            link.sendall(part)
        answer = link.recv(10_000)
        link.settimeout(0.2)
        while more := link.recv(10_000):
            answer += more
    except TimeoutError:
        pass
    except OSError:
        return b""
    return answer


def test_a_request_is_answered(port: int) -> None:
    with open_one(port) as link:
        assert told(link, HEAD + b"\r\n").endswith(b"127.0.0.1")
        assert told(link, HEAD + b"\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD, b"X: " + b"a" * HEAD_BYTES + b"\r\n\r\n"),
        (HEAD, *[b"X: a\r\n"] * 200),
        (b"GET /" + b"a" * HEAD_BYTES,),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 2 * HEAD_BYTES),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * 2 * HEAD_BYTES),
    ],
    ids=["a long line", "many lines", "a long address", "a long mark of a chunk", "a long line after the body"],
)
def test_a_head_without_end_ends_the_connection(port: int, parts: tuple[bytes, ...]) -> None:
    with open_one(port) as link:
        answer = told(link, *parts)
        assert answer == b"" or b" 431 " in answer or parts[0].startswith(b"POST")  # whose answer came before
        link.settimeout(5)
        assert ended(link)


def ended(link: socket.socket) -> bool:
    """Whether a connection ends soon, though more is sent."""
    for _ in range(200):
        try:
            link.sendall(b"a" * 1000)
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_few_requests_wait_for_the_answers_before_them(port: int) -> None:
    with open_one(port) as link:
        answer = told(link, (HEAD + b"\r\n") * 1000)
        assert answer.count(b"HTTP/1.1 200") <= connections.PIPELINED + 1


def test_a_head_has_to_come_in_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN", 0.1)
    for start in (b"", HEAD, b"\r\n"):
        with open_one(port) as link:
            link.sendall(start)
            assert link.recv(10) == b""
    with open_one(port) as link:  # after an answer too
        told(link, HEAD + b"\r\n")
        link.settimeout(5)
        link.sendall(b"GET / ")
        assert link.recv(10) == b""


def test_a_body_that_nobody_wants_is_read_for_a_short_while(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER", 0.1)
    with open_one(port) as link:
        assert told(link, b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nabc").startswith(b"HTTP/1.1 200")
        link.settimeout(5)
        assert link.recv(10) == b""
    with open_one(port) as link:  # all of it is there soon: the connection goes on
        assert told(link, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", b"abc").startswith(b"HTTP/1.1 200")
        assert told(link, HEAD + b"\r\n").startswith(b"HTTP/1.1 200")


def test_of_one_address_the_connection_that_is_idle_for_longest_gives_way(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_EACH", 3)
    links = [open_one(port) for _ in range(3)]
    told(links[0], HEAD + b"\r\n")  # of use a moment ago
    other, newest = open_one(port, "127.0.0.2"), open_one(port)
    assert told(newest, HEAD + b"\r\n").startswith(b"HTTP/1.1 200")
    assert told(other, HEAD + b"\r\n").endswith(b"127.0.0.2")
    assert told(links[1], HEAD + b"\r\n") == b""
    for link in (links[0], links[2]):
        assert told(link, HEAD + b"\r\n").startswith(b"HTTP/1.1 200")
    proxied = [open_one(port, "127.0.0.3") for _ in range(6)]
    assert all(told(link, HEAD + b"\r\n").startswith(b"HTTP/1.1 200") for link in proxied)
    for link in (*links, other, newest, *proxied):
        link.close()


def test_where_a_request_is_from_is_said_by_named_proxies_alone(port: int) -> None:
    forwarded = HEAD + b"X-Forwarded-For: 10.9.8.7\r\n\r\n"
    with open_one(port) as link, open_one(port, "127.0.0.3") as proxy:
        assert told(link, forwarded).endswith(b"\r\n\r\n127.0.0.1")
        assert told(proxy, forwarded).endswith(b"\r\n\r\n10.9.8.7")


def test_which_addresses_are_proxies() -> None:
    assert is_among("10.1.2.3", ["10.0.0.0/8"])
    assert is_among("::1", ["127.0.0.1", "::1"])
    assert not is_among("127.0.0.1", [])
    assert not is_among("nonsense", ["10.0.0.0/8"])
    assert 64 <= most_open() <= connections.MOST
