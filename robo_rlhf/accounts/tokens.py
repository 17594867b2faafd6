"""API tokens of programs: one acts for a person, within a role, until it expires or is revoked.

A token is 256 random bits behind a prefix by which it is recognised; the database holds its SHA-256.
"""

import secrets
from dataclasses import dataclass, replace
from typing import cast

import sqlalchemy as sa

from robo_rlhf.accounts.roles import ROLES, Person, Role, log, person_of
from robo_rlhf.accounts.tables import api_tokens, people
from robo_rlhf.accounts.web_sessions import digest_of
from robo_rlhf.core.errors import InvalidValueError, NotFoundError, TokenError
from robo_rlhf.database.engine import transaction
from robo_rlhf.database.timestamps import timestamp

PREFIX = "rlhf_"  # by which people and scanners recognise a token that lies where it should not
LIFE, LONGEST = 90.0, 366.0  # [days] that a token lives by default, and at most
USED_EVERY = 60.0  # [s] between two notes of its use
MOST = 50  # live tokens of a person
DAY = 86400.0  # [s]


@dataclass(frozen=True)
class Token:
    """The record of a token, without the token itself."""

    number: int  # names it
    name: str  # what it is for
    person: Person
    role: Role  # what it was made for; `acting` says what it may do now
    created: str  # ISO 8601, UTC
    expires: str
    used: str | None  # to within a minute
    address: str  # where it was last used from
    revoked: str | None

    @property
    def state(self) -> str:
        """One of live, revoked and expired."""
        if self.revoked is not None:
            return "revoked"
        return "live" if self.expires > timestamp() else "expired"

    @property
    def acting(self) -> Person:
        """The person, with the lower one of their role and the token's."""
        return replace(self.person, role=ROLES[max(ROLES.index(self.role), ROLES.index(self.person.role))])


class Tokens:
    """The tokens. Safe to use from several threads and processes at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use the database of `engine`, in which the tables are."""
        self._engine = engine

    def create(
        self, person: Person, name: str, role: Role, *, days: float = LIFE, by: str = "", address: str = ""
    ) -> tuple[str, Token]:
        """Make a token and return it, which happens this once, and what is known of it.

        Raises:
            InvalidValueError: the name, the role or the time cannot be, or there are too many.
        """
        _check(person, name, role, days)
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {"digest": digest_of(secret), "person_id": person.id, "name": name, "role": role}
        row |= {"created": timestamp(), "expires": timestamp(days * DAY)}
        live = (api_tokens.c.person_id == person.id) & _live()
        with transaction(self._engine, write=True) as connection:
            if (connection.scalar(sa.select(sa.func.count()).where(live)) or 0) >= MOST:
                raise InvalidValueError("tokens", f"{MOST} of {person.name}", "one that is not needed revoked first")
            connection.execute(sa.insert(api_tokens), row)
            log(connection, by or person.name, "token made", f"{name}, {role}, of {person.name}", address)
            found = connection.execute(_tokens().where(api_tokens.c.digest == row["digest"])).mappings().one()
        return secret, _token(found)

    def find(self, secret: str, *, address: str = "") -> Token:
        """Return the token that a program brings, and note its use, once a minute at most.

        Raises:
            TokenError: it is not known, revoked or expired, or its person is disabled.
        """
        digest = digest_of(secret)
        with transaction(self._engine, write=False) as connection:
            row = connection.execute(_tokens().where(api_tokens.c.digest == digest)).mappings().one_or_none()
        if row is None:
            raise TokenError("unknown")
        token = _token(row)
        if token.person.disabled:
            raise TokenError("disabled")
        if token.state != "live":
            raise TokenError(token.state)
        before = timestamp(-USED_EVERY)
        if token.used is None or token.used < before:
            stale = (api_tokens.c.digest == digest) & (api_tokens.c.used.is_(None) | (api_tokens.c.used < before))
            noted = sa.update(api_tokens).where(stale).values(used=timestamp(), address=address[:64])
            with transaction(self._engine, write=True) as connection:
                connection.execute(noted)
        return token

    def live(self, number: int) -> Token | None:
        """Return a token that may still be used; None where it may not."""
        which = (api_tokens.c.number == number) & _live() & people.c.disabled.is_(None)
        with transaction(self._engine, write=False) as connection:
            row = connection.execute(_tokens().where(which)).mappings().one_or_none()
        return _token(row) if row is not None else None

    def list(self, person: Person | None = None) -> "list[Token]":
        """Return the tokens of a person, or all, newest first."""
        query = _tokens().order_by(api_tokens.c.number.desc())
        query = query.where(api_tokens.c.person_id == person.id) if person is not None else query
        with transaction(self._engine, write=False) as connection:
            return [_token(row) for row in connection.execute(query).mappings()]

    def revoke(self, number: int, *, person: Person | None = None, by: str = "", address: str = "") -> Token:
        """End a token, from the next request on; `person` says whose it has to be.

        Raises:
            NotFoundError: there is none with this number.
        """
        which = api_tokens.c.number == number
        which = which & (api_tokens.c.person_id == person.id) if person is not None else which
        with transaction(self._engine, write=True) as connection:
            row = connection.execute(_tokens().where(which)).mappings().one_or_none()
            if row is None:
                raise NotFoundError("token", number, "robo-rlhf team token shows which there are.")
            token = _token(row)
            if token.revoked is None:
                now = timestamp()
                connection.execute(sa.update(api_tokens).where(which).values(revoked=now))
                about = f"{token.name}, of {token.person.name}"
                log(connection, by or token.person.name, "token revoked", about, address)
                token = replace(token, revoked=now)
        return token


def end_tokens(connection: sa.Connection, person: Person) -> int:
    """Revoke all tokens of a person, in the transaction of `connection`; return how many there were."""
    which = (api_tokens.c.person_id == person.id) & api_tokens.c.revoked.is_(None)
    return connection.execute(sa.update(api_tokens).where(which).values(revoked=timestamp())).rowcount


def _check(person: Person, name: str, role: Role, days: float) -> None:
    if not 1 <= len(name) <= 64 or not name.isprintable() or name != name.strip():
        raise InvalidValueError("name of a token", repr(name), "1 to 64 characters that say what it is for")
    if role not in ROLES or ROLES.index(role) < ROLES.index(person.role):
        expected = " or ".join(ROLES[ROLES.index(person.role) :])
        raise InvalidValueError("role of a token", repr(role), f"{expected}: no more than {person.name} may")
    if not 0 < days <= LONGEST:
        raise InvalidValueError("days that a token lives", days, f"more than 0, at most {LONGEST:g}")
    if person.disabled:
        raise InvalidValueError("token", f"for {person.name}, who is disabled", "a person who may sign in")


def _live() -> sa.ColumnElement[bool]:
    return api_tokens.c.revoked.is_(None) & (api_tokens.c.expires > timestamp())


_OWN = [column.label(f"token_{column.name}") for column in api_tokens.c if column.name not in ("digest", "person_id")]


def _tokens() -> sa.Select[tuple[object, ...]]:
    return sa.select(people, *_OWN).select_from(api_tokens.join(people, people.c.id == api_tokens.c.person_id))


def _token(row: sa.RowMapping) -> Token:
    names = ("number", "name", "created", "expires", "used", "address", "revoked")
    values = {name: row[f"token_{name}"] for name in names}
    return Token(person=person_of(row), role=cast(Role, row["token_role"]), **values)
