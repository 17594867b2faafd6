"""A server for a policy: the openpi WebSocket protocol, and plain HTTP with JSON, at one address.

WebSocket /          msgpack: the metadata first, then an answer to each observation; one connection is one robot
GET  /metadata       names, rate and sizes
POST /act            {"observation": [...] or names, "session": "a"}: {"actions": [[...]]}; a session is one robot
GET  /healthz        200 while it works
"""

import asyncio
import contextlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from robo_rlhf.core.errors import RoboRlhfError
from robo_rlhf.core.seal import parse_json
from robo_rlhf.deploy.serving import RobotSession, Serving
from robo_rlhf.deploy.wire import LARGEST, pack, unpack

FORGET = 600.0  # [s] after which an HTTP session that asks no more is forgotten
TOO_MANY = "{} robots are served already; end one, or start the server with a larger --clients"


@dataclass
class PolicyServer:
    """The sessions of one server."""

    serving: Serving
    clients: int = 16  # WebSocket connections and HTTP sessions at once
    token: str = ""  # expected of every client; none where empty
    connected: int = 0
    sessions: dict[str, tuple[float, RobotSession]] = field(
        default_factory=dict
    )  # of HTTP: when last asked, and the session

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        routes = [
            Route("/healthz", self.health),
            Route("/metadata", self.metadata),
            Route("/act", self.act, methods=["POST"]),
            WebSocketRoute("/", self.socket),
        ]
        return _Guarded(Starlette(routes=routes), self.token)

    async def health(self, request: Request) -> Response:
        """Say that it works."""
        return PlainTextResponse("OK\n")

    async def metadata(self, request: Request) -> Response:
        """Return the metadata as JSON."""
        return JSONResponse(self.serving.metadata)

    async def act(self, request: Request) -> Response:
        """Answer a request in JSON."""
        try:
            asked = parse_json(await _body(request))
            if not isinstance(asked, dict):
                return _refusal(400, "request: expected a JSON object with an observation")
            session = self._session(asked.pop("session", ""))
        except ValueError:
            return _refusal(400, "request: expected a JSON object with an observation")
        except _TooLargeError:
            return _refusal(413, f"request: expected at most {LARGEST:,} bytes")
        if isinstance(session, str):
            return _refusal(429 if session.endswith("--clients") else 400, session)
        try:
            answer = await session.answer(asked)
        except RoboRlhfError as error:
            return _refusal(400, str(error))
        return Response(json.dumps(answer, default=_plain), media_type="application/json")

    def _session(self, name: object) -> RobotSession | str:
        """Return the session of a name; where there is none, why not."""
        if not isinstance(name, str) or len(name) > 64:
            return "session: expected a name of at most 64 characters"
        now = time.monotonic()
        for old in [key for key, (last, _) in self.sessions.items() if now - last > FORGET]:
            self.sessions.pop(old)[1].leave()
        if name not in self.sessions and len(self.sessions) + self.connected >= self.clients:
            return TOO_MANY.format(self.clients)
        session = self.sessions[name][1] if name in self.sessions else self.serving.session(name)
        self.sessions[name] = now, session
        return session

    async def socket(self, websocket: WebSocket) -> None:
        """Serve one robot."""
        await websocket.accept()
        if len(self.sessions) + self.connected >= self.clients:
            await websocket.send_text(TOO_MANY.format(self.clients))
            await websocket.close(1013)
            return
        self.connected += 1
        session = self.serving.session(websocket.client.host if websocket.client else "")
        try:
            await websocket.send_bytes(pack(self.serving.metadata))
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                try:
                    if message.get("bytes") is None:
                        await websocket.send_text("message: expected msgpack in a binary message, not text")
                        continue
                    await websocket.send_bytes(pack(await session.answer(unpack(message["bytes"]))))
                except RoboRlhfError as error:
                    await websocket.send_text(str(error))
        except (WebSocketDisconnect, RuntimeError):  # it went away while it was answered
            return
        finally:
            self.connected -= 1
            session.leave()


class _TooLargeError(Exception):
    """A body over the limit."""


async def _body(request: Request) -> bytes:
    if int(request.headers.get("content-length", "0") or 0) > LARGEST:
        raise _TooLargeError
    body = bytearray()
    async with asyncio.timeout(10.0):
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                raise _TooLargeError
    return bytes(body)


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


class _Guarded:
    """Lets in who shows the token, and no page of a browser."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") == "/healthz":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("authorization", "").removeprefix("Api-Key ").strip()
        good = not self.token or hmac.compare_digest(given.encode(), self.token.encode())
        if good and "origin" not in headers:
            return await self.app(scope, receive, send)
        why = (
            "Authorization: expected Api-Key and the token of this server" if not good else "pages are not served here"
        )
        if scope["type"] == "websocket":
            with contextlib.suppress(Exception):
                await send({"type": "websocket.close", "code": 1008, "reason": why})
            return None
        return await _refusal(401 if not good else 403, why)(scope, receive, send)
