"""Files over HTTP for video players: ranges, entity tags, and no rendering for a client that has disconnected."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import NamedTuple, TypeVar

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from teleop.station.media.clip_cache import CachedBytes
from teleop.station.media.ranges import ByteRange, UnsatisfiableRangeError, is_fresh, matches, parse_range

BLOCK = 2**18  # [bytes] read at a time
AT_ONCE = 2**20  # [bytes] up to which an answer is sent in one piece
MOST_BYTES = 2 * 2**20  # of one answer to a player that asks for a part of a recorded video
CHECK_INTERVAL = 0.25  # [s] between checks whether the client is still connected
KEPT = "private, max-age=31536000, immutable"  # at an address that changes with the content
REQUESTED = "private, no-cache"  # kept, and asked for every time whether it is still the same
T = TypeVar("T")


class Content(NamedTuple):
    """The content that is sent."""

    body: CachedBytes
    kind: str  # media type
    name: str  # equal names mean equal bytes
    file: str = ""  # under which a browser saves it; empty: it shows it

    @property
    def etag(self) -> str:
        """Its entity tag."""
        return f'"{self.name}"'


class GoneError(Exception):
    """The client has disconnected."""


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Return the result of `work`, which is cancelled when the client has disconnected.

    Raises:
        GoneError: they have.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=CHECK_INTERVAL))[0]:
            if await request.is_disconnected():
                raise GoneError
        return task.result()
    finally:
        task.cancel()


def respond(request: Request, content: Content, *, immutable: bool = False, most: int | None = None) -> Response:
    """Return all of the content, the parts that were asked for, or that nothing has changed; the body is closed after.

    `immutable`: whether the address changes whenever the content does. `most`: bytes of an answer to a range, which may
    be shorter than what was asked for: a player asks on, and holds no connection that other requests wait for.
    """
    headers = {
        "etag": content.etag,
        "accept-ranges": "bytes",
        "cache-control": KEPT if immutable else REQUESTED,
        "content-type": content.kind,
    }
    if content.file:
        headers["content-disposition"] = f'attachment; filename="{content.file}"'
    asked = request.headers
    if "if-match" in asked and not matches(asked["if-match"], content.etag, weakly=False):
        return _without_body(content, 412, headers)
    if "if-none-match" in asked and matches(asked["if-none-match"], content.etag, weakly=True):
        return _without_body(content, 304, headers)
    wanted = asked.get("range") if request.method == "GET" and is_fresh(asked.get("if-range"), content.etag) else None
    try:
        parts = parse_range(wanted, content.body.size)
    except UnsatisfiableRangeError:
        return _without_body(content, 416, {**headers, "content-range": f"bytes */{content.body.size}"})
    if request.method == "HEAD":
        return _without_body(content, 200, {**headers, "content-length": str(content.body.size)})
    if parts is None:
        return _send(content, 200, headers, [(b"", ByteRange(0, content.body.size))])
    if len(parts) == 1 and most is not None:
        parts = (ByteRange(parts[0].start, min(parts[0].stop, parts[0].start + most)),)
    if len(parts) == 1:
        headers["content-range"] = f"bytes {parts[0]}/{content.body.size}"
        return _send(content, 206, headers, [(b"", parts[0])])
    return _send_many(content, headers, parts)


def _send_many(content: Content, headers: dict[str, str], parts: Sequence[ByteRange]) -> Response:
    boundary = secrets.token_hex(12)
    kind, size = headers.pop("content-type"), content.body.size
    pieces: list[tuple[bytes, ByteRange]] = []
    for part in parts:
        head = f"--{boundary}\r\ncontent-type: {kind}\r\ncontent-range: bytes {part}/{size}\r\n\r\n"
        pieces.append(((b"\r\n" if pieces else b"") + head.encode(), part))
    pieces.append((f"\r\n--{boundary}--\r\n".encode(), ByteRange(0, 0)))
    return _send(content, 206, {**headers, "content-type": f"multipart/byteranges; boundary={boundary}"}, pieces)


def _send(
    content: Content, status: int, headers: dict[str, str], pieces: Sequence[tuple[bytes, ByteRange]]
) -> Response:
    """Send texts, each followed by a part of the body."""
    length = sum(len(text) + part.stop - part.start for text, part in pieces)
    headers = {**headers, "content-length": str(length)}
    if length <= AT_ONCE:
        sent = b"".join(text + content.body.read(*part) for text, part in pieces)
        content.body.close()
        return Response(sent, status, headers)

    async def blocks() -> AsyncIterator[bytes]:
        for text, part in pieces:
            if text:
                yield text
            for start in range(part.start, part.stop, BLOCK):
                yield await asyncio.to_thread(content.body.read, start, min(start + BLOCK, part.stop))

    return StreamingResponse(blocks(), status, headers, background=BackgroundTask(content.body.close))


def _without_body(content: Content, status: int, headers: dict[str, str]) -> Response:
    content.body.close()
    if status in (304, 412, 416):
        headers = {
            name: value for name, value in headers.items() if name not in ("content-type", "content-disposition")
        }
    response = Response(None, status, headers)
    if status == 304:
        del response.headers["content-length"]
    return response
