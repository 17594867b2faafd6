"""Signing in, by a link or by name and password, and signing out."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from teleop.station.web.auth import InPerson, address_of, look_up, session_cookie, set_cookie, signed_in, station_of
from teleop.station.web.pages import Page
from teleop.station.web.security import csrf_of
from teleop.station.web.templates import render

PAGE = Page("sign_in", "Sign in", "/sign-in")
PUBLIC = True
router = APIRouter()


class SignInPassword(BaseModel):
    """Who signs in with what."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=200)
    password: str = Field(max_length=2000)


class SignInLink(BaseModel):
    """The token of a link; it follows the # of the address, which browsers do not send by themselves."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(max_length=200)


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", expired: bool = False, erased: bool = False) -> Response:
    """Show the form, or redirect where the user is signed in."""
    where = _inside(next)
    if look_up(request) is not None:
        return RedirectResponse(where, 303)
    return render(request, "sign_in/sign_in.html", expired=expired, erased=erased, data={"next": where})


@router.get("/enter")
def enter_page(request: Request, next: str = "/") -> Response:
    """Show the page whose script sends the token of the link."""
    signed_in_already = look_up(request) is not None
    return render(request, "sign_in/enter.html", data={"signed_in": signed_in_already, "next": _inside(next)})


@router.post("/sign-in")
def sign_in(request: Request, form: SignInPassword) -> Response:
    """Sign in by name and password."""
    people = station_of(request).people
    person = people.sign_in(form.name, form.password, address=address_of(request))
    return _begin(request, person.name)


@router.post("/enter")
def enter(request: Request, link: SignInLink) -> Response:
    """Sign in by a link."""
    person = station_of(request).people.sessions.use_link(link.token, address=address_of(request))
    return _begin(request, person.name)


@router.post("/sign-out")
def sign_out(request: Request, here: InPerson) -> Response:
    """End this session at once."""
    station, (_, session) = station_of(request), here
    station.people.sessions.end(session)
    response = JSONResponse({})
    response.delete_cookie(station.cookie, httponly=True, samesite="lax")
    return response


@router.get("/session")
def session(request: Request) -> dict[str, str]:
    """Return who is signed in, and the token that changes need: for a page that is older than the session."""
    me = signed_in(request)
    token = csrf_of(session_cookie(request))
    return {"name": me.person.name, "role": me.role, "csrf": token}


def _begin(request: Request, name: str) -> Response:
    station = station_of(request)
    token = station.people.sessions.begin(
        station.people.get(name),
        agent=request.headers.get("user-agent", ""),
        address=address_of(request),
        instead_of=session_cookie(request),
    )
    response = JSONResponse({"name": name})
    set_cookie(request, response, token)
    return response


def _inside(where: str) -> str:
    """Return an address inside the station: a forged link cannot redirect to another site."""
    safe = where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable()
    return where if safe else "/"
