"""Sign-in links and web sessions, which are stored in the database and end immediately when they are revoked.

A token is 256 random bits that only its owner holds; the database holds its SHA-256.

Every request looks up its session, so sessions that were found are cached briefly. Any change that this program makes
to accounts empties the cache before the change is reported as done. Changes by other programs are detected from the
audit log, to which every change adds a line, and which is checked every SEEN_WITHIN seconds.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from robo_rlhf.accounts.roles import Person, log, person_of
from robo_rlhf.accounts.tables import audit, people, sign_in_links, web_sessions
from robo_rlhf.core.errors import SignInError
from robo_rlhf.database.engine import transaction
from robo_rlhf.database.timestamps import timestamp

LONGEST = 30 * 86400.0  # [s] that a web session lasts at most
IDLE = 3 * 86400.0  # [s] without use after which it ends
SEEN_EVERY = 300.0  # [s] between two notes of its use
LINK_LIFE = 12 * 3600.0  # [s] that a link waits to be used
INVITATION_LIFE = 7 * 86400.0  # [s] that the link of a new person does
SEEN_WITHIN = 0.2  # [s] after which a session counts no more that another program has ended
REMEMBERED, MOST_REMEMBERED = 30.0, 10_000  # [s] that a session is not read again; sessions


@dataclass(frozen=True)
class WebSession:
    """A person who is signed in with one browser."""

    digest: str  # names the session, and cannot be used to take part in it
    person: Person
    created: str  # ISO 8601, UTC
    seen: str
    address: str
    agent: str


def digest_of(token: str) -> str:
    """Return what the database holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Links and web sessions. Safe to use from several threads and processes at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use the database of `engine`, in which the tables are."""
        self._engine = engine
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, WebSession]] = {}  # digest → until when it is cached, and the session
        self._changes = 0  # how often the cache was emptied
        self._looked, self._mark = 0.0, -1  # when the log was checked, and its newest line

    @contextmanager
    def changing(self) -> "Iterator[sa.Connection]":
        """Change accounts in a transaction, and empty the cache afterwards."""
        try:
            with transaction(self._engine, write=True) as connection:
                yield connection
        finally:
            self._forget()

    def link(self, person: Person, life: float = LINK_LIFE, *, by: str = "", address: str = "") -> str:
        """Return the token of a new link that signs `person` in, once, within `life` seconds."""
        token = secrets.token_urlsafe(32)
        row = {"digest": digest_of(token), "person_id": person.id, "created": timestamp()}
        with transaction(self._engine, write=True) as connection:
            connection.execute(sa.insert(sign_in_links), {**row, "expires": timestamp(life)})
            log(connection, by, "link made", person.name, address)
        return token

    def use_link(self, token: str, *, address: str = "") -> Person:
        """Return whom the link signs in; it cannot be used again.

        Raises:
            SignInError: it was used, is too old, or never was.
        """
        now, digest = timestamp(), digest_of(token)
        mine = sign_in_links.c.digest == digest
        with self.changing() as connection:
            fresh = mine & sign_in_links.c.used.is_(None) & (sign_in_links.c.expires > now)
            if connection.execute(sa.update(sign_in_links).where(fresh).values(used=now)).rowcount == 1:
                joined = sa.select(people).join(sign_in_links, sign_in_links.c.person_id == people.c.id).where(mine)
                person = person_of(connection.execute(joined).mappings().one())
                if not person.disabled:
                    log(connection, person.name, "signed in", "by a link", address)
                    return person
            both = sa.select(sign_in_links, people.c.disabled).join(people, people.c.id == sign_in_links.c.person_id)
            row = connection.execute(both.where(mine)).mappings().one_or_none()
        raise SignInError(_why_not(row, now), "robo-rlhf team link makes a new one, at the machine that it leads to.")

    def begin(self, person: Person, *, agent: str = "", address: str = "", instead_of: str = "") -> str:
        """Begin a web session and return its token; the session of the token `instead_of` ends."""
        token = secrets.token_urlsafe(32)
        now = timestamp()
        row = {"digest": digest_of(token), "person_id": person.id, "created": now, "seen": now}
        row |= {"expires": timestamp(LONGEST), "address": address[:64], "agent": agent[:200]}
        with self.changing() as connection:
            if instead_of:
                _end(connection, web_sessions.c.digest == digest_of(instead_of))
            connection.execute(sa.insert(web_sessions), row)
        return token

    def find(self, token: str) -> WebSession | None:
        """Return the session of a token; None where it has ended, or the person may not sign in any more."""
        return self.find_digest(digest_of(token)) if token else None

    def find_digest(self, digest: str) -> WebSession | None:
        """Return the session with this digest, as `find`."""
        known = self._remembered(digest)
        if known is not None:
            return known
        began, changes = time.monotonic(), self._changes
        where = (web_sessions.c.digest == digest) & web_sessions.c.ended.is_(None) & people.c.disabled.is_(None)
        where &= (web_sessions.c.expires > timestamp()) & (web_sessions.c.seen > timestamp(-IDLE))
        with transaction(self._engine, write=False) as connection:
            mark = connection.scalar(_NEWEST) or 0
            row = connection.execute(_sessions().where(where)).mappings().one_or_none()
        self._note(mark, began)
        if row is None:
            return None
        if _age(row["seen"]) > SEEN_EVERY:
            seen = sa.update(web_sessions).where(web_sessions.c.digest == digest).values(seen=timestamp())
            with transaction(self._engine, write=True) as connection:
                connection.execute(seen)
        return self._remember(_session(row), min(REMEMBERED, -_age(row["expires"])), changes)

    @property
    def stale(self) -> bool:
        """Whether the cache is invalid until the next `look`."""
        return time.monotonic() > self._looked + SEEN_WITHIN

    def refresh_cache(self, connection: sa.Connection) -> None:
        """Check whether accounts were changed, and empty the cache if so."""
        began = time.monotonic()
        self._note(connection.scalar(_NEWEST) or 0, began)

    def known(self, token: str) -> WebSession | None:
        """Return the session of a token where that takes no query; else None."""
        return self._remembered(digest_of(token), look=False) if token and not self.stale else None

    def _remembered(self, digest: str, *, look: bool = True) -> WebSession | None:
        if look and digest in self._found and self.stale:
            with transaction(self._engine, write=False) as connection:
                self.refresh_cache(connection)
        until, session = self._found.get(digest, (0.0, None))
        return session if time.monotonic() < until else None

    def _remember(self, session: WebSession, seconds: float, changes: int) -> WebSession:
        """Cache a session for a time, unless accounts were changed since it was looked up."""
        with self._lock:
            if len(self._found) >= MOST_REMEMBERED:
                self._found.clear()
            if changes == self._changes:
                self._found[session.digest] = (time.monotonic() + seconds, session)
        return session

    def _note(self, mark: int, began: float) -> None:
        """Note the newest line that the log had at a time, and drop cache entries from before it."""
        if mark != self._mark:
            self._forget()
        self._looked, self._mark = began, mark

    def _forget(self) -> None:
        with self._lock:
            self._found.clear()
            self._changes += 1

    def of(self, person: Person) -> list[WebSession]:
        """Return the open sessions of a person, newest first."""
        where = (web_sessions.c.person_id == person.id) & web_sessions.c.ended.is_(None)
        where &= (web_sessions.c.expires > timestamp()) & (web_sessions.c.seen > timestamp(-IDLE))
        with transaction(self._engine, write=False) as connection:
            rows = connection.execute(_sessions().where(where).order_by(web_sessions.c.created.desc())).mappings()
            return [_session(row) for row in rows]

    def end(self, session: WebSession, *, by: str = "", address: str = "") -> None:
        """End a session, from the next request on."""
        with self.changing() as connection:
            _end(connection, web_sessions.c.digest == session.digest)
            log(connection, by or session.person.name, "signed out", session.person.name, address or session.address)

    def end_all(self, person: Person, *, by: str = "", address: str = "", but: str = "") -> int:
        """End all sessions of a person, but the one with the digest `but`, and their links; return how many ended."""
        with self.changing() as connection:
            count = _end(connection, (web_sessions.c.person_id == person.id) & (web_sessions.c.digest != but))
            end_links(connection, person)
            log(connection, by or person.name, "signed out everywhere", person.name, address)
        return count


_NEWEST = sa.select(sa.func.max(audit.c.number))


def _sessions() -> sa.Select[tuple[object, ...]]:
    columns = [column for column in web_sessions.c if column.name != "created"]
    session_created = web_sessions.c.created.label("session_created")
    joined = web_sessions.join(people, people.c.id == web_sessions.c.person_id)
    return sa.select(people, *columns, session_created).select_from(joined)


def _session(row: sa.RowMapping) -> WebSession:
    names = ("digest", "seen", "address", "agent")
    return WebSession(person=person_of(row), created=row["session_created"], **{name: row[name] for name in names})


def _end(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    open_ones = which & web_sessions.c.ended.is_(None)
    return connection.execute(sa.update(web_sessions).where(open_ones).values(ended=timestamp())).rowcount


def invitation(token: str) -> str:
    """Return the path of a link that signs in a new person, and leads to the page where they choose a password."""
    return f"/enter?next=/account#{token}"


def end_links(connection: sa.Connection, person: Person) -> int:
    """Let no open link of a person sign in any more; return how many there were."""
    which = (sign_in_links.c.person_id == person.id) & sign_in_links.c.used.is_(None)
    return connection.execute(sa.update(sign_in_links).where(which).values(used=timestamp())).rowcount


def _why_not(row: sa.RowMapping | None, now: str) -> str:
    if row is None:
        return "this link is not known here"
    if row["disabled"] is not None:
        return "this account is disabled"
    return "this link is too old" if row["expires"] <= now else "this link was used before"


def _age(time: str) -> float:
    """Return how many seconds ago a stored time was."""
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
