"""Accounts of people, and signing in with a password. `web_sessions` keeps them signed in."""

import getpass
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from robo_rlhf.accounts import passwords
from robo_rlhf.accounts.audit_log import AuditEntry, AuditLog
from robo_rlhf.accounts.groups import groups_of, text_of
from robo_rlhf.accounts.roles import ROLES, Person, Role, log, person_of
from robo_rlhf.accounts.tables import annotators, people, sign_in_tries, web_sessions
from robo_rlhf.accounts.tokens import Tokens, end_tokens
from robo_rlhf.accounts.web_sessions import Sessions, end_links
from robo_rlhf.core.errors import ConflictError, InvalidValueError, NotFoundError, SignInError
from robo_rlhf.database.engine import add_new, open_engine, transaction
from robo_rlhf.database.migrate import prepare
from robo_rlhf.database.timestamps import timestamp

WINDOW = 900.0  # [s] over which failed sign-ins are counted
FREE = 5  # failures of one name from one address that cost no wait
MOST_BY_ADDRESS, MOST_BY_NAME = 30, 100  # failures within the window, whatever the other is
_NAME = re.compile(r"\w(?:[\w .@+-]{0,62}\w)?")


class People:
    """The accounts. Safe to use from several threads and processes at once."""

    def __init__(self, where: str | Path) -> None:
        """Open or create the accounts in the feedback database at `where`; see `robo_rlhf.feedback.store.Store`."""
        self.engine, self.name = open_engine(where)
        prepare(self.engine, self.name)
        self.sessions = Sessions(self.engine)
        self.tokens = Tokens(self.engine)
        self.audit = AuditLog(self.engine)

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()

    def add(self, name: str, role: Role, *, by: str = "", address: str = "") -> Person:
        """Add an account; it has no password yet.

        Raises:
            InvalidValueError: the name or the role cannot be.
            ConflictError: there is one with this name.
        """
        if not _NAME.fullmatch(name):
            expected = "1 to 64 letters, digits, spaces and . @ + - _, the first and last a letter or digit"
            raise InvalidValueError("name of a person", repr(name), expected)
        if role not in ROLES:
            raise InvalidValueError("role", repr(role), ", ".join(ROLES))
        with self.sessions.changing() as connection:
            clash = connection.scalar(sa.select(people.c.name).where(sa.func.lower(people.c.name) == name.lower()))
            row = {"name": name, "role": role, "created": timestamp()}
            if clash is not None or not add_new(connection, people, row):
                raise ConflictError(f"person {name!r}", f"there is {clash or name!r} already")
            log(connection, by, "person added", f"{name}, {role}", address)
            return _find(connection, name)

    def get(self, name: str) -> Person:
        """Return an account.

        Raises:
            NotFoundError: there is none with this name.
        """
        with transaction(self.engine, write=False) as connection:
            return _find(connection, name)

    def list(self) -> "list[Person]":
        """Return all accounts, by name."""
        with transaction(self.engine, write=False) as connection:
            return [person_of(row) for row in connection.execute(sa.select(people).order_by(people.c.name)).mappings()]

    def set_groups(self, name: str, groups: Iterable[str], *, by: str = "", address: str = "") -> tuple[str, ...]:
        """Store the groups that a person names, and return them.

        Raises:
            NotFoundError: there is no such person.
            InvalidValueError: too many, or one that cannot be.
        """
        text = text_of(groups)
        with transaction(self.engine, write=True) as connection:
            person = _find(connection, name)
            _set_groups(connection, person.name, text)
            log(connection, by or name, "groups changed", f"{name}: {text or 'none'}", address)
        return groups_of(text)

    def administrator(self) -> Person:
        """Return the first administrator who may sign in; if there is none, make one, named after the system user."""
        for person in self.list():
            if person.role == "administrator" and not person.disabled:
                return person
        name = _login_name()
        taken = {person.name.lower() for person in self.list()}
        return self.add(name if name.lower() not in taken else f"{name}-{len(taken)}", "administrator")

    def set_password(self, name: str, password: str, *, by: str = "", address: str = "", but: str = "") -> None:
        """Set a password and end all sessions of the person, but the one with the digest `but`, and their links.

        Raises:
            NotFoundError: there is no such person.
            InvalidValueError: the password is too short or too easily guessed.
        """
        person = self.get(name)
        passwords.check_strength(name, password)
        stored = passwords.hash_password(password)
        with self.sessions.changing() as connection:
            connection.execute(sa.update(people).where(people.c.id == person.id).values(password=stored))
            _end_sessions(connection, person, but)
            end_links(connection, person)
            log(connection, by, "password set", name, address)

    def change_password(self, name: str, old: str, new: str, *, address: str = "", but: str = "") -> None:
        """Set a person's password by themselves, who know the old one or have none; see `set_password`.

        Raises:
            SignInError: the old one is not right, or was not too often.
            InvalidValueError: the new one is too short or too easily guessed.
        """
        if self.get(name).has_password:
            self._check_password(name, old, address, "password refused", "the old password is wrong")
        self.set_password(name, new, by=name, address=address, but=but)

    def set_role(self, name: str, role: Role, *, by: str = "", address: str = "") -> Person:
        """Let a person do what another role may, from the next request on.

        Raises:
            NotFoundError: there is no such person.
            InvalidValueError: the role cannot be, or it is the last administrator.
        """
        if role not in ROLES:
            raise InvalidValueError("role", repr(role), ", ".join(ROLES))
        with self.sessions.changing() as connection:
            _lock_administrators(connection)
            person = _find(connection, name)
            if person.role != role:
                if person.role == "administrator" and not person.disabled:
                    _check_another(connection, person, f"role of {name}", role)
                connection.execute(sa.update(people).where(people.c.id == person.id).values(role=role))
                log(connection, by, "role changed", f"{name}, {person.role} to {role}", address)
            return _find(connection, name)

    def set_disabled(self, name: str, disabled: bool, *, by: str = "", address: str = "") -> None:
        """Forbid a person to sign in, which ends all of their sessions, links and tokens, or allow it again.

        Raises:
            NotFoundError: there is no such person.
            InvalidValueError: it is the last administrator.
        """
        with self.sessions.changing() as connection:
            _lock_administrators(connection)
            person = _find(connection, name)
            if disabled and person.role == "administrator" and not person.disabled:
                _check_another(connection, person, "disable", name)
            if disabled:
                _end_sessions(connection, person)
                end_links(connection, person)
                end_tokens(connection, person)
            since = timestamp() if disabled else None
            connection.execute(sa.update(people).where(people.c.id == person.id).values(disabled=since))
            log(connection, by, "disabled" if disabled else "enabled", name, address)

    def erase(self, name: str, also: Callable[[sa.Connection], int] | None) -> int:
        """Check that an account can go, and do `also`, which removes it, in the same transaction; return its result.

        Raises:
            NotFoundError: there is no such person.
            InvalidValueError: it is the last administrator.
        """
        with self.sessions.changing() as connection:
            _lock_administrators(connection)
            person = _find(connection, name)
            if person.role == "administrator" and not person.disabled:
                _check_another(connection, person, "erase", name)
            return also(connection) if also is not None else 0

    def sign_in(self, name: str, password: str, *, address: str = "") -> Person:
        """Return the account with this name and password.

        Raises:
            SignInError: there is none, or there were too many failures; the message says how long to wait.
        """
        name, address = name.strip()[:64], address[:64]
        person = self._check_password(name, password, address, "sign-in refused", "name or password are wrong")
        with self.sessions.changing() as connection:
            log(connection, name, "signed in", "by password", address)
        return person

    def _check_password(self, name: str, password: str, address: str, refused: str, why: str) -> Person:
        self._count_try(name, address)  # before the check, so that many attempts at once are counted too
        with transaction(self.engine, write=False) as connection:
            row = connection.execute(sa.select(people).where(people.c.name == name)).mappings().one_or_none()
        right = passwords.is_right(row["password"] if row else None, password)
        with transaction(self.engine, write=True) as connection:
            if row is None or not right or row["disabled"] is not None:
                log(connection, "", refused, name, address)
            else:
                mine = (sign_in_tries.c.name == name) & (sign_in_tries.c.address == address)
                connection.execute(sa.delete(sign_in_tries).where(mine))
                return person_of(row)
        raise SignInError(why)

    def log(self, limit: int = 100) -> Sequence[AuditEntry]:
        """Return the newest entries of the log, newest first."""
        return self.audit.read(limit=limit)

    def _count_try(self, name: str, address: str) -> None:
        with transaction(self.engine, write=True) as connection:
            connection.execute(sa.delete(sign_in_tries).where(sign_in_tries.c.at < timestamp(-WINDOW)))
            by_name, by_address = sign_in_tries.c.name == name, sign_in_tries.c.address == address
            wait = max(
                _wait(connection, by_name & by_address, FREE),
                _wait(connection, by_address, MOST_BY_ADDRESS),
                _wait(connection, by_name, MOST_BY_NAME),
            )
            if wait <= 0:
                row = {"name": name, "address": address, "at": timestamp()}
                connection.execute(sa.insert(sign_in_tries), row)
        if wait > 0:
            raise SignInError("there were too many failed attempts", wait=wait)


def _wait(connection: sa.Connection, which: sa.ColumnElement[bool], free: int) -> float:
    """Return how long to wait [s]: after `free` failures 2 s, and twice as long with each more."""
    tally = sa.select(sa.func.count(), sa.func.max(sign_in_tries.c.at)).where(which)
    count, last = connection.execute(tally).one()
    if count < free:
        return 0.0
    since = (datetime.fromisoformat(timestamp()) - datetime.fromisoformat(last)).total_seconds()
    return float(min(2.0 ** min(count - free + 1, 30), WINDOW)) - since


def _lock_administrators(connection: sa.Connection) -> None:
    """Serialise changes of roles: two administrators cannot demote each other at once."""
    query = sa.select(people.c.id).where(people.c.role == "administrator").order_by(people.c.id)
    connection.execute(query.with_for_update()).all()


def _check_another(connection: sa.Connection, person: Person, what: str, given: str) -> None:
    others = (people.c.role == "administrator") & people.c.disabled.is_(None) & (people.c.id != person.id)
    if connection.execute(sa.select(people.c.id).where(others)).first() is None:
        raise InvalidValueError(what, given, "another administrator first: this is the last one")


def _find(connection: sa.Connection, name: str) -> Person:
    row = connection.execute(sa.select(people).where(people.c.name == name)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("person", name, "robo-rlhf team list shows who there is.")
    return person_of(row)


def _end_sessions(connection: sa.Connection, person: Person, but: str = "") -> None:
    open_ones = (web_sessions.c.person_id == person.id) & web_sessions.c.ended.is_(None)
    open_ones &= web_sessions.c.digest != but
    connection.execute(sa.update(web_sessions).where(open_ones).values(ended=timestamp()))


def _login_name() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        name = ""
    return name if _NAME.fullmatch(name) else "administrator"


def _set_groups(connection: sa.Connection, name: str, text: str) -> None:
    """Store the groups of a person, who may never have been asked anything."""
    row = {"name": name, "kind": "human", "team": text, "handed": 0, "since": timestamp()}
    if not add_new(connection, annotators, row):
        connection.execute(sa.update(annotators).where(annotators.c.name == name).values(team=text))
