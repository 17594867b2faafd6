"""Limits of requests: a body is counted and timed as it arrives, and parsed only when it is within them.

Plain ASGI. Signed in or not, a body is read here, within a size for its address and a rate, and refused as soon as it
cannot become right. What an address has in memory at a time is bounded, and so is what all have. A body that is
streamed to a file goes through, counted and timed as well.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robo_rlhf.feedback.records import DEEPEST

API = "/api/v1"
MOST_BODY = 256 * 1024  # [bytes] of a body
LISTS = {f"{API}/questions": 4 * 2**20, "/api/library/change": 4 * 2**20, "/api/library/zip": 4 * 2**20}  # [bytes]
UPLOADS, MOST_PIECE = f"{API}/uploads/", 64 * 2**20  # where bodies are streamed to a file; [bytes] of each
GRACE, SLOWEST = 20.0, 16 * 1024  # [s] and [bytes/s]: a body of n bytes has to come within GRACE + n / SLOWEST
HELD, HELD_EACH = 16 * 2**20, 6 * 2**20  # [bytes] of bodies in memory at a time: of all, and of one address
LARGE = 64 * 1024  # [bytes]; what is longer is worked on one at a time: parsed it takes some ten times as much
OPEN_EACH, SOCKETS_EACH = 128, 64  # requests and WebSockets of one address at a time
MOST_VALUES, MOST_LISTED = 20_000, 100_000  # in JSON, and in that of LISTS
REST = 2.0  # times as long as a large body took: so much of the event loop stays for the others before the next one
DEPTH = DEEPEST + 8  # of JSON: that of an answer, and of what it comes in
_WITH_BODY = (b"content-length", b"transfer-encoding")  # without them there is none
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_REST = re.compile(rb"[^\[\]{}]+")


class _RefusedError(Exception):
    """A request is refused before it reaches a route."""

    def __init__(self, status: int, code: str, text: str) -> None:
        self.status, self.code = status, code
        super().__init__(text)


class _GoneError(Exception):
    """The peer disconnected before its body was complete: no response can be sent."""


class Limits:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around `app`."""
        self.app = app
        self.open: Counter[str] = Counter()  # address → requests that are being answered
        self.sockets: Counter[str] = Counter()
        self.held: Counter[str] = Counter()  # address → bytes of bodies in memory
        self._large = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        client = scope.get("client")
        address = client[0] if client else ""
        if scope["type"] == "websocket":
            await self._socket(address, scope, receive, send)
        elif scope["type"] == "http":
            await self._http(address, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _socket(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self.sockets[address] >= SOCKETS_EACH:
            await receive()  # the connection; closing it now answers the handshake with 403
            await send({"type": "websocket.close", "code": 1013, "reason": "too many connections"})
            return
        with _one_more(self.sockets, address):
            await self.app(scope, receive, send)

    async def _http(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self.open[address] >= OPEN_EACH:
            await self._refuse(_too_many(f"{OPEN_EACH} requests from your address are open"), scope, receive, send)
            return
        with _Held(self.open, self.held, address) as held:
            about = [(name, value) for name, value in scope["headers"] if name in _WITH_BODY]
            if not about:
                await self.app(scope, receive, send)
                return
            try:
                most = most_of(scope)
                _check_length(about, most)
                if scope["path"].startswith(UPLOADS):
                    await self.app(scope, _streamed(receive, most), send)
                    return
                parts = await _parts(receive, most, held)
                _check_json(parts, MOST_LISTED if scope["path"] in LISTS else MOST_VALUES)
            except _RefusedError as error:
                await self._refuse(error, scope, receive, send)
                return
            except _GoneError:
                return
            if held.taken > LARGE:
                await self._in_turn(parts, scope, receive, send)
            else:
                await self.app(scope, _again(parts, receive), send)

    async def _in_turn(self, parts: list[bytes], scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a large body on when no other one is worked on; a slow reader delays no other request."""
        await self._large.acquire()
        free, begun, loop = False, time.monotonic(), asyncio.get_running_loop()

        def set_free() -> None:
            nonlocal free
            if not free:
                free = True
                loop.call_later(min(REST * (time.monotonic() - begun), REST), self._large.release)

        async def answered(message: Message) -> None:
            set_free()
            await send(message)

        try:
            await self.app(scope, _again(parts, receive), answered)
        finally:
            set_free()

    async def _refuse(self, error: _RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"retry-after": "5"} if error.status == 429 else {}
        answer = JSONResponse({"error": str(error), "code": error.code}, error.status, headers)
        await answer(scope, receive, send)


class _Held:
    """A request that is open, and what it has in memory, counted with the rest of its address."""

    def __init__(self, opened: Counter[str], held: Counter[str], address: str) -> None:
        self._open, self._held, self._address, self.taken = opened, held, address, 0

    def __enter__(self) -> "_Held":
        self._open[self._address] += 1
        return self

    def __exit__(self, *_: object) -> None:
        _less(self._open, self._address, 1)
        if self.taken:
            _less(self._held, self._address, self.taken)

    def take(self, count: int) -> None:
        """Count some more bytes."""
        if self._held[self._address] + count > HELD_EACH or self._held.total() + count > HELD:
            raise _too_many("Too much is being sent at once")
        self._held[self._address] += count
        self.taken += count


@contextmanager
def _one_more(counted: Counter[str], address: str) -> Iterator[None]:
    """Count one more of an address inside of the block."""
    counted[address] += 1
    try:
        yield
    finally:
        _less(counted, address, 1)


def most_of(scope: Scope) -> int:
    """Return how many bytes the body of a request may have."""
    path = scope["path"]
    return MOST_PIECE if path.startswith(UPLOADS) else LISTS.get(path, MOST_BODY)


def is_deep(text: bytes, most: int = DEPTH) -> bool:
    """Whether more than `most` objects and lists of a JSON text are inside of each other; any text may be given."""
    depth = 0
    for bracket in _REST.sub(b"", _TEXTS.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > most:
            return True
    return False


def _check_length(about: Sequence[tuple[bytes, bytes]], most: int) -> None:
    for name, length in about:
        if name == b"content-length" and length.isdigit() and int(length[:20]) > most:
            raise _too_long(most)


def _check_json(parts: list[bytes], most: int) -> None:
    """Refuse JSON that no honest client sends; it may still be malformed."""
    opened = sum(part.count(b"[") + part.count(b"{") for part in parts)
    if opened + sum(part.count(b",") for part in parts) > most:
        raise _RefusedError(413, "too_long", f"More than {most:,} values. Nothing was changed; send less.")
    if opened > DEPTH and is_deep(b"".join(parts)):
        text = f"Objects and lists are more than {DEPTH} deep inside of each other. Nothing was changed."
        raise _RefusedError(422, "invalid", text)


async def _parts(receive: Receive, most: int, held: _Held) -> list[bytes]:
    """Return a body in the parts in which it comes."""
    parts, begun, taken, more = list[bytes](), time.monotonic(), 0, True
    while more:
        try:
            async with asyncio.timeout(GRACE + taken / SLOWEST - (time.monotonic() - begun)):
                message = await receive()
        except TimeoutError:
            raise _RefusedError(408, "too_slow", "The body came too slowly. Nothing was changed.") from None
        if message["type"] != "http.request":
            raise _GoneError
        body = message.get("body", b"")
        taken += len(body)
        if taken > most:
            raise _too_long(most)
        held.take(len(body))
        if body:
            parts.append(body)
        more = message.get("more_body", False)
    return parts


def _streamed(receive: Receive, most: int) -> Receive:
    """Return the `receive` of a body that is not kept in memory."""
    begun, taken = time.monotonic(), 0

    async def counted() -> Message:
        nonlocal taken
        try:
            async with asyncio.timeout(GRACE + taken / SLOWEST - (time.monotonic() - begun)):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "The body came too slowly. What came is kept; send the rest.") from None
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, str(_too_long(most)))
        return message

    return counted


def _again(parts: list[bytes], receive: Receive) -> Receive:
    """Return the `receive` of a body that is already there, and then of the connection's end."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    parts.clear()
    messages.reverse()

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _less(counted: Counter[str], address: str, count: int) -> None:
    counted[address] -= count
    if counted[address] <= 0:
        del counted[address]


def _too_long(most: int) -> _RefusedError:
    return _RefusedError(413, "too_long", f"The body is longer than {most:,} bytes. Nothing was changed; send less.")


def _too_many(why: str) -> _RefusedError:
    return _RefusedError(429, "too_many", f"{why}. Nothing was changed; wait a moment.")
