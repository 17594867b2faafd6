"""The user's account: browsers, tokens of programs, password, groups, and what is stored about the user."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from robo_rlhf.accounts.passwords import LONGEST, SHORTEST
from robo_rlhf.accounts.roles import ROLES, Role
from robo_rlhf.accounts.tokens import LIFE
from robo_rlhf.accounts.tokens import LONGEST as LONGEST_LIFE
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError
from robo_rlhf.feedback.quality.team_overview import member_of
from robo_rlhf.feedback.rights.rows import What
from robo_rlhf.feedback.rights.stored import counted_about, erase, stored_about
from teleop.station.web.auth import InPerson, Me, address_of, station_of
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("account", "Your account", "/account")
router = APIRouter()
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class _AccountBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPassword(_AccountBody):
    """A password, and the one before; that one is empty where there is none."""

    old: Annotated[str, Field(max_length=2 * LONGEST)] = ""
    new: Annotated[str, Field(max_length=2 * LONGEST)]


class MyGroups(_AccountBody):
    """Groups that the user states to belong to."""

    groups: Annotated[list[Text], Field(fail_fast=True, max_length=20)]


class SessionBody(_AccountBody):
    """A session of the user."""

    id: Text


class NewToken(_AccountBody):
    """A token to be made."""

    name: Text
    role: Role
    days: Annotated[float, Field(gt=0, le=LONGEST_LIFE)] = LIFE


class RevokedToken(_AccountBody):
    """A token of the user."""

    number: Annotated[int, Field(ge=1, lt=2**63)]


class Erasure(_AccountBody):
    """The wish of the user to be erased."""

    name: Text  # typed once more
    answers: What


@router.get("/account")
def page(request: Request, me: Me, chosen: bool = False) -> Response:
    """Show it; `chosen`: the first password was just set."""
    people = station_of(request).people
    member = member_of(people, me.person.name)
    return render(
        request,
        "account/account.html",
        page=PAGE,
        member=member,
        chosen=chosen,
        here=me.session.digest if me.session is not None else "",
        sessions=people.sessions.of(member.person),
        tokens=people.tokens.list(member.person),
        roles=[role for role in reversed(ROLES) if member.person.may(role)],
        shortest=SHORTEST,
        days=LIFE,
        kept=counted_about(station_of(request).store, me.person.name),
        agreed=station_of(request).store.consents.given(me.person.name),
        data={"name": me.person.name},
    )


@router.get("/api/account/data")
def data(request: Request, here: InPerson) -> Response:
    """Send everything that is stored about the user, as a file of JSON."""
    station, name = station_of(request), here[0].person.name
    found = stored_about(station.store, station.people, station.home, name)
    headers = {"content-disposition": 'attachment; filename="stored-about-me.json"', "cache-control": "no-store"}
    return Response(json.dumps(found, indent=2, ensure_ascii=False), media_type="application/json", headers=headers)


@router.post("/api/account/erase")
def erase_me(request: Request, body: Erasure, here: InPerson) -> dict[str, Any]:
    """Erase the user; all of their sessions have ended by the time of the reply."""
    station, name = station_of(request), here[0].person.name
    if body.name != name:
        raise InvalidValueError("name", repr(body.name), f"{name!r}, to be sure")
    driven = [drive.id for drive in station.hub.sessions() if name in (drive.owner, drive.begin.operator)]
    if driven:
        raise ConflictError("erasing you", "a session of yours is open; end it on the operate page first")
    done = erase(station.store, station.people, station.home, name, body.answers)
    return {"alias": done.alias, "answers": done.answers, "episodes": done.episodes, "models": list(done.models)}


@router.post("/api/account/password")
def password(request: Request, body: NewPassword, here: InPerson) -> dict[str, bool]:
    """Change the user's password; the user's other sessions end."""
    me, session = here
    people, address = station_of(request).people, address_of(request)
    people.change_password(me.person.name, body.old, body.new, address=address, but=session.digest)
    return {"changed": True}


@router.post("/api/account/groups")
def groups(request: Request, body: MyGroups, here: InPerson) -> dict[str, list[str]]:
    """Set the groups of the user."""
    name = here[0].person.name
    found = station_of(request).people.set_groups(name, body.groups, by=name, address=address_of(request))
    return {"groups": list(found)}


@router.post("/api/account/sessions/end")
def end(request: Request, body: SessionBody, here: InPerson) -> dict[str, int]:
    """End a session of the user."""
    me, _ = here
    sessions = station_of(request).people.sessions
    found = next((session for session in sessions.of(me.person) if session.digest == body.id), None)
    if found is None:
        raise NotFoundError("session", body.id[:12], "It may have ended already; load the page again.")
    sessions.end(found, by=me.person.name, address=address_of(request))
    return {"ended": 1}


@router.post("/api/account/sessions/end-others")
def end_others(request: Request, here: InPerson) -> dict[str, int]:
    """End all sessions of the user but this one."""
    me, session = here
    sessions = station_of(request).people.sessions
    return {"ended": sessions.end_all(me.person, address=address_of(request), but=session.digest)}


@router.post("/api/account/tokens")
def make_token(request: Request, body: NewToken, here: InPerson) -> dict[str, Any]:
    """Make a token for a program; it is shown in this answer and never again."""
    person, address = here[0].person, address_of(request)
    tokens = station_of(request).people.tokens
    secret, token = tokens.create(person, body.name.strip(), body.role, days=body.days, by=person.name, address=address)
    return {"number": token.number, "token": secret, "expires": token.expires}


@router.post("/api/account/tokens/revoke")
def revoke(request: Request, body: RevokedToken, here: InPerson) -> dict[str, int]:
    """Revoke a token of the user."""
    person, address = here[0].person, address_of(request)
    token = station_of(request).people.tokens.revoke(body.number, person=person, by=person.name, address=address)
    return {"number": token.number}
