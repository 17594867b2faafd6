"""Who asks: dependencies for routes, and the way into a WebSocket."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from robo_rlhf.feedback.accounts import Person, Role
from robo_rlhf.feedback.sessions import LONGEST, WebSession
from teleop.station.security import cookie_of
from teleop.station.services import Station

SIGNED_OUT = 4401  # close code of a WebSocket whose session has ended, or that had none
FORBIDDEN = 4403  # ... of one whose person may not do this
LOOK_AGAIN = 2.0  # [s] between two looks whether the session of an open WebSocket has ended
_watching: set[asyncio.Task[None]] = set()


class SignedOutError(Exception):
    """Nobody is signed in; `expired` where somebody was."""

    def __init__(self, *, expired: bool) -> None:
        """Say whether a session was there before."""
        self.expired = expired
        super().__init__("expired" if expired else "signed out")


class ForbiddenError(Exception):
    """Somebody is signed in and may not do this; `role` is what it takes."""

    def __init__(self, role: Role) -> None:
        """Name the role that it takes."""
        self.role = role
        super().__init__(role)


@dataclass(frozen=True)
class SignedIn:
    """Who asks."""

    person: Person
    role: Role
    session: WebSession


def station_of(connection: HTTPConnection) -> Station:
    """Return the station that a request came to."""
    return cast(Station, connection.app.state.station)


def look_up(connection: HTTPConnection) -> SignedIn | None:
    """Return who asks, None where nobody is signed in."""
    station = station_of(connection)
    session = station.people.sessions.find(cookie_of(connection.headers, station.cookie))
    return SignedIn(session.person, session.person.role, session) if session else None


def signed_in(connection: HTTPConnection) -> SignedIn:
    """Return who asks: a dependency.

    Raises:
        SignedOutError: nobody is signed in.
    """
    if not hasattr(connection.state, "me"):
        connection.state.me = look_up(connection)
    me = cast("SignedIn | None", connection.state.me)
    if me is None:
        raise SignedOutError(expired=bool(cookie_of(connection.headers, station_of(connection).cookie)))
    return me


def anybody_signed_in(connection: HTTPConnection) -> None:
    """Ask that somebody is signed in: what every route of a page that is not public depends on."""
    if connection.scope["type"] == "http":
        signed_in(connection)  # a WebSocket is asked by `open_socket`


def requires(role: Role) -> Callable[[HTTPConnection], SignedIn]:
    """Return a dependency that also asks for a role.

    It raises SignedOutError where nobody is signed in, and ForbiddenError where the role may do more than the person.
    """

    def check(connection: HTTPConnection) -> SignedIn:
        me = signed_in(connection)
        if not me.person.may(role):
            raise ForbiddenError(role)
        return me

    return check


Me = Annotated[SignedIn, Depends(signed_in)]


async def open_socket(websocket: WebSocket, role: Role = "annotator") -> SignedIn | None:
    """Accept a WebSocket of somebody who is signed in and may do what `role` may, and return who it is.

    Where not, it is closed with SIGNED_OUT or FORBIDDEN and None comes back: the handler returns. The `Origin` was
    checked before (`security`). It is closed with SIGNED_OUT within seconds after the session ends.
    """
    me = await run_in_threadpool(look_up, websocket)
    await websocket.accept()
    if me is None:
        await websocket.close(SIGNED_OUT, "signed out")
        return None
    if not me.person.may(role):
        await websocket.close(FORBIDDEN, f"this takes the role {role}")
        return None
    task = asyncio.create_task(_close_when_signed_out(websocket, me))
    _watching.add(task)  # the event loop holds tasks weakly
    task.add_done_callback(_watching.discard)
    return me


async def _close_when_signed_out(websocket: WebSocket, me: SignedIn) -> None:
    sessions = station_of(websocket).people.sessions
    while True:
        await asyncio.sleep(LOOK_AGAIN)
        states = (websocket.client_state, websocket.application_state)
        if WebSocketState.DISCONNECTED in states:
            return
        if await run_in_threadpool(sessions.find_digest, me.session.digest) is None:
            await websocket.close(SIGNED_OUT, "signed out")
            return


def set_cookie(connection: HTTPConnection, response: Response, token: str) -> None:
    """Give the browser the cookie of a new session."""
    response.set_cookie(
        station_of(connection).cookie,
        token,
        max_age=int(LONGEST),
        httponly=True,
        samesite="lax",
        secure=connection.url.scheme == "https",
    )


def address_of(connection: HTTPConnection) -> str:
    """Return where a request came from."""
    return connection.client.host if connection.client else ""
