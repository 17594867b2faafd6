"""The team at a glance: each account with what it has done and what is open, in a few queries for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from robo_rlhf.accounts.groups import groups_of
from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import Person, person_of
from robo_rlhf.accounts.tables import annotators, api_tokens, sign_in_links, web_sessions
from robo_rlhf.accounts.tables import people as accounts
from robo_rlhf.accounts.web_sessions import IDLE
from robo_rlhf.database.engine import transaction
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.feedback.tables import leases


@dataclass(frozen=True)
class Member:
    """An account with its activity."""

    person: Person
    groups: tuple[str, ...]  # that the person named
    seen: str | None  # last use with a browser or a token, ISO 8601, UTC, to within minutes; None: never
    sessions: int  # browsers that are signed in
    tokens: int  # that may still be used
    invited: str | None  # until when a link waits to be used, ISO 8601, UTC
    answers: int  # questions answered

    @property
    def state(self) -> str:
        """One of active, invited (never here yet) and disabled."""
        if self.person.disabled:
            return "disabled"
        return "active" if self.seen is not None or self.person.has_password else "invited"


def member_of(people: People, name: str) -> Member:
    """Return an account with what it has done and what is open.

    Raises:
        NotFoundError: there is none with this name.
    """
    return team_overview(people, people.get(name).name)[0]


def team_overview(people: People, name: str | None = None) -> list[Member]:
    """Return all accounts with what they have done and what is open, by name; only the one called `name` if given."""
    now = timestamp()
    sessions, tokens, links = web_sessions.c, api_tokens.c, sign_in_links.c
    query = sa.select(accounts).order_by(sa.func.lower(accounts.c.name))
    with transaction(people.engine, write=False) as connection:
        rows = connection.execute(query.where(accounts.c.name == name) if name is not None else query).mappings().all()
        seen = _by(connection, sa.select(sessions.person_id, sa.func.max(sessions.seen)))
        used = _by(connection, sa.select(tokens.person_id, sa.func.max(tokens.used)))
        here = sessions.ended.is_(None) & (sessions.expires > now) & (sessions.seen > timestamp(-IDLE))
        open_ones = _by(connection, sa.select(sessions.person_id, sa.func.count()).where(here))
        live = tokens.revoked.is_(None) & (tokens.expires > now)
        live_ones = _by(connection, sa.select(tokens.person_id, sa.func.count()).where(live))
        waiting = links.used.is_(None) & (links.expires > now)
        invited = _by(connection, sa.select(links.person_id, sa.func.max(links.expires)).where(waiting))
        done = _by(connection, sa.select(leases.c.annotator, sa.func.count()).where(leases.c.state == "answered"))
        teams = {row.name: row.team for row in connection.execute(sa.select(annotators))}
    return [
        Member(
            person=person_of(row),
            groups=groups_of(teams.get(row["name"], "")),
            seen=max((at for at in (seen.get(row["id"]), used.get(row["id"])) if at is not None), default=None),
            sessions=open_ones.get(row["id"], 0),
            tokens=live_ones.get(row["id"], 0),
            invited=invited.get(row["id"]),
            answers=done.get(row["name"], 0),
        )
        for row in rows
    ]


def _by(connection: sa.Connection, query: Any) -> Mapping[Any, Any]:
    """Return the second column by the first."""
    first = query.selected_columns[0]
    return {row[0]: row[1] for row in connection.execute(query.group_by(first))}
