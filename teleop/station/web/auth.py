"""Authentication: dependencies for routes, and the check of a WebSocket."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from robo_rlhf.accounts.roles import Person, Principal, Role
from robo_rlhf.accounts.tokens import PREFIX, Token
from robo_rlhf.accounts.web_sessions import LONGEST, WebSession
from robo_rlhf.core.errors import TokenError, TooOftenError
from teleop.station.services import Station
from teleop.station.web.security import bearer_of, cookie_of

SIGNED_OUT = 4401  # close code of a WebSocket whose session has ended, or that had none
FORBIDDEN = 4403  # ... of one whose person may not do this
RECHECK_INTERVAL = 2.0  # [s] between two checks whether the session of an open WebSocket has ended
_watching: set[asyncio.Task[None]] = set()


class SignedOutError(Exception):
    """The caller is not signed in; `expired` where a session has ended."""

    def __init__(self, *, expired: bool) -> None:
        """Say whether a session was there before."""
        self.expired = expired
        super().__init__("expired" if expired else "signed out")


class ForbiddenError(Exception):
    """The caller is signed in and lacks permission; `role` is the required one."""

    def __init__(self, role: Role) -> None:
        """Name the required role."""
        self.role = role
        super().__init__(role)


class NotByTokenError(Exception):
    """A program asks for what only a person at a browser may do."""


@dataclass(frozen=True)
class SignedIn:
    """The caller, with a browser or by a program: one of `session` and `token` is set."""

    person: Person  # of a token: with the token's role, where that is the lower one
    role: Role
    session: WebSession | None
    token: Token | None = None


def station_of(connection: HTTPConnection) -> Station:
    """Return the station that a request came to."""
    return cast(Station, connection.app.state.station)


def session_cookie(connection: HTTPConnection) -> str:
    """Return the cookie of the browser's session; empty where there is none, or where a token counts instead."""
    if bearer_of(connection.headers) is not None:
        return ""
    return cookie_of(connection.headers, station_of(connection).cookie)


def look_up(connection: HTTPConnection) -> SignedIn | None:
    """Return the caller, None where the request is not signed in.

    Raises:
        TokenError: it is a program, and its token is not valid.
    """
    secret = bearer_of(connection.headers)
    if secret is not None:
        token = _check_token(connection, secret)
        return SignedIn(token.acting, token.acting.role, None, token)
    session = station_of(connection).people.sessions.find(session_cookie(connection))
    return SignedIn(session.person, session.person.role, session) if session else None


def _check_token(connection: HTTPConnection, secret: str) -> Token:
    """Return a token; a valid one is accepted even when its address has sent many invalid ones."""
    station, address = station_of(connection), address_of(connection)
    try:
        if not secret.startswith(PREFIX) or len(secret) > 200:
            raise TokenError("malformed")
        return station.people.tokens.find(secret, address=address)
    except TokenError as error:
        wait = station.bad_tokens.count(address)
        if wait > 0:
            raise TokenError("unknown", wait=wait) from error
        raise


def signed_in(connection: HTTPConnection) -> SignedIn:
    """Return the caller: a dependency.

    Raises:
        SignedOutError: the caller is not signed in.
    """
    if not hasattr(connection.state, "me"):
        connection.state.me = look_up(connection)
    me = cast("SignedIn | None", connection.state.me)
    if me is None:
        raise SignedOutError(expired=bool(session_cookie(connection)))
    return me


async def who(connection: HTTPConnection) -> SignedIn:
    """Return the caller, as `signed_in`; it takes a thread only where the database has to be asked."""
    if not hasattr(connection.state, "me"):
        station, cookie = station_of(connection), session_cookie(connection)
        sessions = station.people.sessions
        if cookie and sessions.stale:
            async with station.looking:  # one looks for all who come meanwhile
                if sessions.stale:
                    await station.store.database.read_async(sessions.refresh_cache)
        session = sessions.known(cookie)
        if session is None:
            return await run_in_threadpool(signed_in, connection)
        connection.state.me = SignedIn(session.person, session.person.role, session)
    return signed_in(connection)


async def anybody_signed_in(connection: HTTPConnection) -> None:
    """Require a signed-in caller: every route of a page that is not public depends on it."""
    if connection.scope["type"] == "http":
        await who(connection)  # a WebSocket is asked by `open_socket`


def requires(role: Role) -> Callable[[HTTPConnection], SignedIn]:
    """Return a dependency that also asks for a role.

    It raises SignedOutError where there is no caller, and ForbiddenError where the role may do more than the person.
    """

    def check(connection: HTTPConnection) -> SignedIn:
        me = signed_in(connection)
        if not me.person.may(role):
            raise ForbiddenError(role)
        return me

    return check


def in_person(connection: HTTPConnection) -> tuple[SignedIn, WebSession]:
    """Return the caller and their session: a dependency of personal routes, which no program may use.

    Raises:
        SignedOutError: the caller is not signed in.
        NotByTokenError: it is a program.
    """
    me = signed_in(connection)
    if me.session is None:
        raise NotByTokenError
    return me, me.session


Me = Annotated[SignedIn, Depends(who)]
InPerson = Annotated[tuple[SignedIn, WebSession], Depends(in_person)]


async def open_socket(websocket: WebSocket, role: Role = "annotator") -> SignedIn | None:
    """Accept a WebSocket of a signed-in caller with the permissions of `role`, and return the caller.

    Where not, it is closed with SIGNED_OUT or FORBIDDEN and None comes back: the handler returns. The `Origin` was
    checked before (`security`). It is closed within seconds after the session ends, or the person may not any more.
    """
    try:
        me = await run_in_threadpool(look_up, websocket)
    except TokenError:
        me = None
    await websocket.accept()
    if me is None:
        await websocket.close(SIGNED_OUT, "signed out")
        return None
    if not me.person.may(role):
        await websocket.close(FORBIDDEN, f"this takes the role {role}")
        return None
    task = asyncio.create_task(_close_when_signed_out(websocket, me, role))
    _watching.add(task)  # the event loop holds tasks weakly
    task.add_done_callback(_watching.discard)
    return me


async def _close_when_signed_out(websocket: WebSocket, me: SignedIn, role: Role) -> None:
    while True:
        await asyncio.sleep(RECHECK_INTERVAL)
        states = (websocket.client_state, websocket.application_state)
        if WebSocketState.DISCONNECTED in states:
            return
        person = await run_in_threadpool(_still, station_of(websocket), me)
        if person is None:
            await websocket.close(SIGNED_OUT, "signed out")
            return
        if not person.may(role):
            await websocket.close(FORBIDDEN, f"this takes the role {role}")
            return


def _still(station: Station, me: SignedIn) -> Person | None:
    """Return an earlier caller as they are now; None where they are not signed in any more."""
    if me.token is not None:
        token = station.people.tokens.live(me.token.number)
        return token.acting if token is not None else None
    session = station.people.sessions.find_digest(me.session.digest) if me.session is not None else None
    return session.person if session is not None else None


def may_note(connection: HTTPConnection, me: SignedIn) -> None:
    """Count a note of a person.

    Raises:
        TooOftenError: there were too many within a minute.
    """
    wait = station_of(connection).notes.count(me.person.name)
    if wait > 0:
        raise TooOftenError("notes", wait)


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


def principal_of(connection: HTTPConnection) -> Principal:
    """Return the caller as written in the log; of a program also the number of the person's token."""
    me, address = signed_in(connection), address_of(connection)
    return Principal(me.person.name, f"{address}, token {me.token.number}" if me.token is not None else address)


def address_of(connection: HTTPConnection) -> str:
    """Return where a request came from."""
    return connection.client.host if connection.client else ""
