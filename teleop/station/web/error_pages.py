"""Error responses: a page for people, JSON for scripts."""

import logging
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robo_rlhf.core.errors import (
    BusyError,
    CheckpointMismatchError,
    ConflictError,
    ConsentNeededError,
    CorruptFileError,
    DiskError,
    DiskFullError,
    InvalidValueError,
    NotFoundError,
    NotNowError,
    RoboRlhfError,
    SignInError,
    TokenError,
    TooOftenError,
    UnknownNameError,
)
from teleop.station.api_docs.openapi import methods_at
from teleop.station.web.auth import ForbiddenError, NotByTokenError, SignedIn, SignedOutError, look_up, station_of
from teleop.station.web.security import PROGRAMS, bearer_of
from teleop.station.web.templates import render

STATUS: tuple[tuple[type[RoboRlhfError], int], ...] = (
    (NotFoundError, 404),
    (UnknownNameError, 404),
    (ConflictError, 409),
    (NotNowError, 409),
    (ConsentNeededError, 409),
    (TooOftenError, 429),
    (InvalidValueError, 422),
    (CheckpointMismatchError, 422),
    (SignInError, 403),
    (BusyError, 503),
    (DiskFullError, 507),
    (DiskError, 507),
    (CorruptFileError, 500),
)
TITLES = {
    403: "This is not yours to see",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "This does not go together",
    422: "Something is not as it should be",
    500: "The station made a mistake",
    503: "The station is busy",
    507: "The disk takes nothing more",
}
CODES = {400: "malformed", 404: "notfound", 405: "method", 408: "too_slow", 413: "too_long", 415: "type"}
LONGEST = 1000  # characters of a message: what was sent is not sent back
READABLE = f"{PROGRAMS}docs"  # what people read there
_log = logging.getLogger("robo_rlhf.station")


def install(app: FastAPI) -> None:
    """Register the application's error handlers."""
    app.add_exception_handler(SignedOutError, _signed_out)
    app.add_exception_handler(ForbiddenError, _forbidden)
    app.add_exception_handler(NotByTokenError, _not_by_token)
    app.add_exception_handler(TokenError, _token)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RoboRlhfError, _ours)
    app.add_middleware(ErrorMiddleware)


class ErrorMiddleware:
    """Answers an unexpected exception with an error page; wrapped by the middleware that adds headers."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise  # too late for an answer: the connection breaks, and the log says why
            request = Request(scope)
            _log.error("%s %s", request.method, request.url.path, exc_info=error)
            if isinstance(error, OSError) and error.filename is not None:  # a home that is gone, a disk that is broken
                text = (
                    f"{Path(str(error.filename)).name} cannot be read or written ({error.strerror}). Nothing was kept."
                )
                await error_response(request, 507, text, "disk")(scope, receive, send)
                return
            text = "The station's log has the details. Go back and try again."
            await error_response(request, 500, text, "fault")(scope, receive, send)


def error_response(request: Request, status: int, text: str, code: str = "") -> Response:
    """Return an error as a page, or as JSON `{"error": ..., "code": ...}` where a script asked."""
    text = _short(station_of(request).outward(text))
    if not _wants_page(request):
        text = text.encode(errors="backslashreplace").decode()  # half a character pair cannot be sent
        return JSONResponse({"error": text, "code": code}, status)
    title = TITLES.get(status, "This did not work")
    if not hasattr(request.state, "me"):
        request.state.me = _who(request)
    return render(request, "shared/error.html", status=status, number=status, title=title, text=text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 100]} ... {text[-90:]}"


def _who(request: Request) -> SignedIn | None:
    try:
        return look_up(request)
    except Exception:  # the database may be what is wrong; the page is shown without a name then
        return None


def _wants_page(request: Request) -> bool:
    if request.url.path.startswith(PROGRAMS) and request.url.path != READABLE:
        return False
    looks = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    return looks and bearer_of(request.headers) is None


async def _signed_out(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignedOutError)
    if not _wants_page(request):
        text = "Your session has ended. Nothing was changed; sign in again." if error.expired else "Sign in first."
        return JSONResponse({"error": text, "code": "signed_out"}, 401)
    where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    why = "&expired=1" if error.expired else ""
    return RedirectResponse(f"/sign-in?next={quote(where, safe='')}{why}", 303)


async def _forbidden(request: Request, error: Exception) -> Response:
    assert isinstance(error, ForbiddenError)
    text = f"It takes the role {error.role}. Ask an administrator for it. Nothing was changed."
    return error_response(request, 403, text, "forbidden")


async def _not_by_token(request: Request, error: Exception) -> Response:
    text = "This takes a person at a browser; a token may not do it. Nothing was changed."
    return error_response(request, 403, text, "not_by_token")


async def _token(request: Request, error: Exception) -> Response:
    assert isinstance(error, TokenError)
    if error.wait > 0:
        wait = {"retry-after": str(max(round(error.wait), 1))}
        return JSONResponse({"error": str(error), "code": "too_many"}, 429, wait)
    headers = {"www-authenticate": 'Bearer error="invalid_token"'}
    return JSONResponse({"error": str(error), "code": f"token_{error.state}"}, 401, headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    plain = {404: "The address may be mistyped, or what was here is gone.", 405: "The address knows no such request."}
    text = plain.get(error.status_code, str(error.detail))
    if error.status_code in plain and error.detail not in ("Not Found", "Method Not Allowed"):
        text = str(error.detail)
    response = error_response(request, error.status_code, text, CODES.get(error.status_code, ""))
    response.headers.update(error.headers or {})
    if error.status_code == 405 and request.url.path.startswith(PROGRAMS):
        response.headers["allow"] = ", ".join(methods_at(request.url.path))
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return error_response(request, 422, f"{where}: {first['msg'].lower()}. Nothing was changed.", "invalid")


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoboRlhfError)
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    code = "too_many" if status == 429 else type(error).__name__.removesuffix("Error").lower()
    if status >= 500:
        _log.warning("%s %s: %s", request.method, request.url.path, error)  # with its path, which people are not shown
    response = error_response(request, status, str(error), code)
    if isinstance(error, SignInError | TooOftenError) and error.wait > 0:
        response.status_code = 429
        response.headers["retry-after"] = str(max(round(error.wait), 1))
    return response
