"""Accounts: the team's members, their roles and access, and the audit log. For administrators."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from robo_rlhf.accounts.audit_log import AuditFilter
from robo_rlhf.accounts.roles import ROLES, Role
from robo_rlhf.accounts.web_sessions import INVITATION_LIFE, invitation
from robo_rlhf.feedback.quality.team_overview import member_of, team_overview
from teleop.input.key_bindings import Binding
from teleop.station.web.auth import SignedIn, principal_of, requires, station_of
from teleop.station.web.csv_tables import as_csv
from teleop.station.web.pages import Page
from teleop.station.web.templates import render

PAGE = Page("accounts", "Accounts", "/accounts", order=11, group="team", role="administrator")
LINES = 50  # of the log on one page
ABOUT = {
    "annotator": "answers questions about clips",
    "operator": "also drives the robot, asks questions and writes guidelines",
    "administrator": "also looks after accounts and data",
}
KEYS = (
    Binding("invite", "Invite a user", "page", ("KeyI",), act="invite"),
    Binding("find", "Find a person", "page", ("KeyF",), act="find"),
    Binding("log", "Who did what", "page", ("KeyL",), act="log"),
    Binding("help", "All keys", "page", ("Slash", "F1"), act="help"),
)
router = APIRouter()
Administrator = Annotated[SignedIn, Depends(requires("administrator"))]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class AccountBody(BaseModel):
    """An account."""

    model_config = ConfigDict(extra="forbid")
    name: Text


class AccountRole(AccountBody):
    """An account, and what it may do."""

    role: Role


class AccountGroups(AccountBody):
    """An account, and the groups of its person."""

    groups: Annotated[list[Text], Field(fail_fast=True, max_length=20)]


class TokenBody(BaseModel):
    """A token."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=1, lt=2**63)]


@router.get("/accounts")
def page(request: Request, me: Administrator) -> Response:
    """Show everybody."""
    members = team_overview(station_of(request).people)
    data = {"keys": [asdict(binding) for binding in KEYS], "roles": [[role, ABOUT[role]] for role in reversed(ROLES)]}
    return render(request, "accounts/accounts.html", page=PAGE, data=data, members=members)


@router.get("/accounts/people/{name}")
def one(request: Request, name: str, me: Administrator) -> Response:
    """Show one person."""
    people = station_of(request).people
    member = member_of(people, name)
    data = {"name": name, "next": "/accounts"}
    return render(
        request,
        "accounts/person.html",
        page=PAGE,
        data=data,
        member=member,
        sessions=people.sessions.of(member.person),
        tokens=people.tokens.list(member.person),
        lines=people.audit.read(AuditFilter(about=name), limit=10),
        roles=[(role, ABOUT[role]) for role in reversed(ROLES)],
    )


@router.get("/accounts/log")
def log(
    request: Request, me: Administrator, who: str = "", act: str = "", text: str = "", before: int | None = None
) -> Response:
    """Show the audit log, newest first."""
    audit = station_of(request).people.audit
    which = _filter(who, act, text)
    lines = audit.read(which, before=before, limit=LINES + 1)
    asked = {"who": which.who, "act": which.act, "text": which.text}
    older = {**asked, "before": lines[LINES - 1].number} if len(lines) > LINES else None
    names, acts = audit.names()
    return render(
        request,
        "accounts/log.html",
        page=PAGE,
        lines=lines[:LINES],
        names=names,
        acts=acts,
        asked=asked,
        newest=before is None,
        older=f"/accounts/log?{urlencode(older)}" if older else "",
        first=f"/accounts/log?{urlencode(asked)}",
        file=f"/accounts/log.csv?{urlencode(asked)}",
        data={"keys": [asdict(binding) for binding in KEYS if binding.name != "invite"]},
    )


@router.get("/accounts/people.csv")
def people_csv(request: Request, me: Administrator) -> Response:
    """Send the table of people."""
    head = ("name", "role", "state", "groups", "last seen", "answers", "browsers", "tokens", "since")
    rows = [
        (
            member.person.name,
            member.person.role,
            member.state,
            ", ".join(member.groups),
            member.seen or "",
            member.answers,
            member.sessions,
            member.tokens,
            member.person.created,
        )
        for member in team_overview(station_of(request).people)
    ]
    return _csv("people.csv", as_csv(head, rows))


@router.get("/accounts/log.csv")
def log_csv(request: Request, me: Administrator, who: str = "", act: str = "", text: str = "") -> Response:
    """Send all lines of the log that fit."""
    lines = station_of(request).people.audit.all(_filter(who, act, text))
    rows = ((line.at, line.who, line.act, line.about, line.address) for line in lines)
    return _csv("log.csv", as_csv(("at", "who", "act", "about", "address"), rows))


@router.post("/api/accounts/invite")
def invite(request: Request, body: AccountRole, me: Administrator) -> dict[str, Any]:
    """Add a person, and return the path of the link that signs them in once."""
    people, by = station_of(request).people, principal_of(request)
    person = people.add(body.name.strip(), body.role, by=by.name, address=by.address)
    token = people.sessions.link(person, INVITATION_LIFE, by=by.name, address=by.address)
    return {"name": person.name, "path": invitation(token), "days": INVITATION_LIFE / 86400}


@router.post("/api/accounts/link")
def link(request: Request, body: AccountBody, me: Administrator) -> dict[str, Any]:
    """Return the path of a new link that signs a person in once."""
    people, by = station_of(request).people, principal_of(request)
    token = people.sessions.link(people.get(body.name), INVITATION_LIFE, by=by.name, address=by.address)
    return {"name": body.name, "path": invitation(token), "days": INVITATION_LIFE / 86400}


@router.post("/api/accounts/role")
def role(request: Request, body: AccountRole, me: Administrator) -> dict[str, str]:
    """Give a person another role."""
    by = principal_of(request)
    person = station_of(request).people.set_role(body.name, body.role, by=by.name, address=by.address)
    return {"name": person.name, "role": person.role}


@router.post("/api/accounts/disable")
def disable(request: Request, body: AccountBody, me: Administrator) -> dict[str, str]:
    """Block a person: their sessions, links and tokens end at once."""
    by = principal_of(request)
    station_of(request).people.set_disabled(body.name, True, by=by.name, address=by.address)
    return {"name": body.name}


@router.post("/api/accounts/enable")
def enable(request: Request, body: AccountBody, me: Administrator) -> dict[str, str]:
    """Unblock a person."""
    by = principal_of(request)
    station_of(request).people.set_disabled(body.name, False, by=by.name, address=by.address)
    return {"name": body.name}


@router.post("/api/accounts/sign-out")
def sign_out(request: Request, body: AccountBody, me: Administrator) -> dict[str, int]:
    """Sign a person out everywhere; the caller's session stays."""
    people, by = station_of(request).people, principal_of(request)
    person = people.get(body.name)
    but = me.session.digest if me.session is not None else ""
    return {"ended": people.sessions.end_all(person, by=by.name, address=by.address, but=but)}


@router.post("/api/accounts/groups")
def groups(request: Request, body: AccountGroups, me: Administrator) -> dict[str, list[str]]:
    """Set the groups of a person."""
    by = principal_of(request)
    found = station_of(request).people.set_groups(body.name, body.groups, by=by.name, address=by.address)
    return {"groups": list(found)}


@router.post("/api/accounts/revoke")
def revoke(request: Request, body: TokenBody, me: Administrator) -> dict[str, int]:
    """End a token."""
    by = principal_of(request)
    token = station_of(request).people.tokens.revoke(body.number, by=by.name, address=by.address)
    return {"number": token.number}


def _filter(who: str, act: str, text: str) -> AuditFilter:
    """Return the filter of the requested lines; no database stores NUL."""
    given = (value.replace("\0", "")[:200] for value in (who, act, text))
    return AuditFilter(**dict(zip(("who", "act", "text"), given, strict=True)))


def _csv(name: str, content: Iterator[bytes]) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=headers)
