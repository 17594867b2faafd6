"""Limits of connections, before there is a request: heads, pauses, pipelines, and the number of open ones.

uvicorn reads a head of any length, waits for it for ever, and counts no connections of one address. Here a head is
bounded in bytes, lines and time, what follows an answer is read for some seconds only, and a peer that takes nothing of
its answer is let go. Where too many are open the one that has been idle for longest gives way.
"""

import asyncio
import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_BYTES, HEAD_LINES = 32 * 1024, 100  # of a request, without its body
HEAD_WITHIN = 15.0  # [s] for a whole head
PIPELINED = 8  # requests that wait for the answers before them
LINGER, LINGER_BYTES = 5.0, 2**20  # [s] and [bytes]: the rest of a body that is thrown away after it was refused
STALLED = 60.0  # [s] that a peer may take nothing of its answer
MOST, MOST_EACH = 1024, 256  # connections, and those of one address
SPARED = 256  # files that the station opens in addition
FRAGMENTS = 256  # pieces of one message over a WebSocket

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@cache
def networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    """Return addresses and networks as they were named; ValueError where one is neither."""
    return tuple(ipaddress.ip_network(name) for name in names)


def is_among(address: str, names: Sequence[str]) -> bool:
    """Whether an address is one of those named, or in one of the networks."""
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(given in network for network in networks(tuple(names)))


def most_open() -> int:
    """Return how many connections are kept: fewer where the system allows this process few files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(min(MOST, soft - SPARED), 64)


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, with limits. `config.forwarded_allow_ips` are proxies, which many share."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Be a connection that is not made yet; the arguments are uvicorn's."""
        super().__init__(*args, **options)
        self.since = time.monotonic()  # [s] when it was last of use
        self._unread = 0  # bytes since the last part of a request that was complete
        self._head = self._lines = self._thrown = 0
        self._inside = False  # in the middle of a request
        self._refusal: tuple[str, str] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, in the place of an idle one where too many are open."""
        super().connection_made(transport)
        self._arm(HEAD_WITHIN)
        mine = _address(self)
        crowded = sum(_address(other) == mine for other in self.connections) > MOST_EACH
        if crowded and not is_among(mine, list(self.config.forwarded_allow_ips or ())):
            _make_room(self.connections, mine, but=self)
        elif len(self.connections) > most_open():
            by_address = Counter(_address(other) for other in self.connections)
            _make_room(self.connections, by_address.most_common(1)[0][0], but=self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        self._stop_stall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read the received bytes, unless a head is too long."""
        if self._inside and self.idle and self.cycle is not None:
            self._thrown += len(data)
            if self._thrown > LINGER_BYTES:
                self.transport.close()
                return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > HEAD_BYTES and not self.transport.is_closing() and self.parser is not None:
            self._refusal = _TOO_LONG
            self.send_400_response("")
        if self._deadline is None and self.idle:  # the head goes on
            self._arm(HEAD_WITHIN)

    def send_400_response(self, msg: str) -> None:
        """Refuse malformed input, and end the connection."""
        status, text = self._refusal or ("400 Bad Request", msg)
        head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        self.transport.write(f"{head}content-length: {len(text)}\r\n\r\n{text}".encode("ascii"))
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head = self._lines = self._thrown = 0
        self._inside = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, or of what follows a body in chunks."""
        self._head += len(name) + len(value) + 4
        self._lines += 1
        if self._head > HEAD_BYTES or self._lines > HEAD_LINES:
            self._refuse(_TOO_LONG)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have the request answered."""
        self._unread, self.since = 0, time.monotonic()
        self._stop()
        if self._head + len(self.url) > HEAD_BYTES:
            self._refuse(_TOO_LONG)
        if len(self.pipeline) >= PIPELINED:
            self._refuse(("429 Too Many Requests", f"At most {PIPELINED} requests may wait for their answers."))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that all of a request is there; its answer may be over already."""
        self._unread, self._inside = 0, False
        super().on_message_complete()
        if self.idle and not self.transport.is_closing():
            self._stop()
            self._arm(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """Continue with the next request; the rest of an unread body is read for a short while."""
        self.since = time.monotonic()
        super().on_response_complete()
        if self._inside and self.idle and not self.transport.is_closing():
            self._stop()
            self._arm(LINGER)

    def pause_writing(self) -> None:
        """Wait for a peer that is slow to take its answer, but not for ever."""
        super().pause_writing()
        self._stop_stall()
        self._stall = self.loop.call_later(STALLED, self.transport.abort)

    def resume_writing(self) -> None:
        """Resume: the peer has taken most of what waited."""
        self._stop_stall()
        super().resume_writing()

    def _refuse(self, refusal: tuple[str, str]) -> None:
        self._refusal = refusal
        raise ValueError(refusal[1])  # the parser passes it on, and `send_400_response` says it

    def _arm(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket of uvicorn's whose messages come in few pieces: empty ones count against no size."""

    def handle_cont(self, event: Any) -> None:
        """Take a piece of a message."""
        if len(self.frames) >= FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)


_TOO_LONG = ("431 Request Header Fields Too Large", f"A head may have {HEAD_BYTES} bytes in {HEAD_LINES} lines.")


def _address(connection: Any) -> str:
    return connection.client[0] if connection.client else ""


def _make_room(connections: Any, address: str, *, but: Connection) -> None:
    """Close the connection of an address that has been idle for longest; the newest where none is idle."""
    theirs = [one for one in connections if isinstance(one, Connection) and _address(one) == address and one is not but]
    idle = [one for one in theirs if one.idle and not one.transport.is_closing()]
    (min(idle, key=lambda one: one.since) if idle else but).transport.abort()
