"""Security of every request: response headers, CSRF and origin checks, and the allowed host names.

Plain ASGI, around everything else. A request that changes something must come from a page of ours (`Origin`), and with
the CSRF token of the session whose cookie it brings. A WebSocket of a foreign page is refused before it is accepted.
A program brings a token, which no browser sends by itself: it needs neither, and no cookie counts beside it.
"""

import hashlib
import hmac
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teleop.station.services import Station

SAFE = ("GET", "HEAD", "OPTIONS")
CSRF_HEADER = "x-csrf-token"
PROGRAMS = "/api/v1/"  # what programs ask for
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# of a page that the station did not make: no scripts, nothing from elsewhere, and an origin of its own
SHUT_IN = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
OURS = {name.encode(): value.encode() for name, value in HEADERS.items()}  # as they are sent
ENCRYPTED = (b"strict-transport-security", b"max-age=31536000")  # a browser that came by HTTPS comes by nothing else
_PLAIN = {"ws": "http", "wss": "https"}
_PORTS = {"http": 80, "https": 443}
CSP = b"content-security-policy"
NOT_KEPT = (b"cache-control", b"no-store")
LONGEST_ORIGIN = 300  # characters: a name has at most 253


def csrf_of(cookie: str) -> str:
    """Return the CSRF token of the session whose cookie this is; it tells nothing about the cookie."""
    return hashlib.sha256(b"csrf " + cookie.encode()).hexdigest()[:40] if cookie else ""


class Security:
    """The middleware."""

    def __init__(self, app: ASGIApp, station: Station) -> None:
        """Stand around `app`."""
        self.app, self.station = app, station

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        why = self.refusal(scope)
        if scope["type"] == "websocket":
            if why:
                await receive()  # the connection; closing it now answers the handshake with 403
                await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
            else:
                await self.app(scope, receive, send)
            return
        answer: ASGIApp = self.app
        if why:
            looks = "text/html" in Headers(scope=scope).get("accept", "")  # a person, by a foreign host name
            answer = PlainTextResponse(why, 403) if looks else JSONResponse({"error": why, "code": "refused"}, 403)
        await answer(scope, receive, _with_headers(send, scope["scheme"]))

    def refusal(self, scope: Scope) -> str:
        """Return why a request is refused; empty where it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.station.hosts is not None and _without_port(host) not in self.station.hosts:
            return f"This station is not reached as {host[:100]!r}; open it by the address that it printed."
        if scope["type"] == "http" and scope["method"] in SAFE:
            return ""
        if scope["type"] == "http" and bearer_of(headers) is not None:
            return ""  # `auth.look_up` judges it by its token alone
        cookie = cookie_of(headers, self.station.cookie)
        if scope["type"] == "http" and not cookie and scope["path"].startswith(PROGRAMS):
            return ""  # there is no caller: the response says that a token is missing
        origin = headers.get("origin")
        if origin == f"https://{host}" and scope["scheme"] in ("http", "ws"):
            return "This page came by HTTPS, from a proxy that the station does not know: start it with serve --proxy."
        if origin is None or not _same(origin, scope["scheme"], host):
            return "This came from a page that is not the station's. Nothing was changed."
        if scope["type"] == "http" and cookie:
            given = headers.get(CSRF_HEADER, "").encode()
            if not hmac.compare_digest(given, csrf_of(cookie).encode()):
                return "This page is older than your session. Nothing was changed; load the page again."
        return ""


def bearer_of(headers: Headers) -> str | None:
    """Return the token that a program brings; None where it says nothing of one."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie_of(headers: Headers, name: str) -> str:
    """Return the value of a cookie, the last one of that name; empty where it is not there."""
    found = ""
    for part in headers.get("cookie", "").split(";"):  # ours are never quoted; `http.cookies` takes ten times as long
        key, _, value = part.strip().partition("=")
        found = value if key == name else found
    return found


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _same(origin: str, scheme: str, host: str) -> bool:
    """Whether a page is the station's: by scheme, name and port, as RFC 6454 compares origins."""
    if max(len(origin), len(host)) > LONGEST_ORIGIN:
        return False
    scheme = _PLAIN.get(scheme, scheme)
    ours, theirs = _place(f"{scheme}://{host}"), _place(origin)
    return ours is not None and ours == theirs


@lru_cache(256)  # browsers send the same again and again
def _place(address: str) -> tuple[str, str, int] | None:
    """Return scheme, name and port of an address that is nothing else; None where it is something else."""
    try:
        found = urlsplit(address)
        port = found.port or _PORTS[found.scheme]
    except (ValueError, KeyError):
        return None
    whole = found.hostname and "@" not in found.netloc and not (found.path or found.query or found.fragment)
    return (found.scheme, found.hostname or "", port) if whole and "#" not in address else None


def _with_headers(send: Send, scheme: str) -> Send:
    ours = [*OURS.items(), ENCRYPTED] if scheme == "https" else list(OURS.items())

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            theirs = [pair for pair in message["headers"] if pair[0] not in OURS]
            shut_in = (CSP, SHUT_IN.encode()) in message["headers"]
            sent = [(name, SHUT_IN.encode() if shut_in and name == CSP else value) for name, value in ours]
            cached = any(name == b"cache-control" for name, _ in theirs)
            message["headers"] = [*theirs, *sent, *(() if cached else [NOT_KEPT])]
        await send(message)

    return with_headers
