"""Webhooks and the queue of their messages, which `teleop.station.webhooks.sender` sends."""

import json
import re
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import sqlalchemy as sa

from robo_rlhf.accounts.roles import NO_PRINCIPAL, Principal, log
from robo_rlhf.core.errors import InvalidValueError, NotFoundError
from robo_rlhf.database.paging import RowPage
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.webhooks.events import EVENTS
from robo_rlhf.webhooks.tables import deliveries, webhooks

State = Literal["waiting", "delivered", "given_up"]
TEST = "test"  # the event of a message that only tests the delivery
FIRST, LONGEST_WAIT = 5.0, 3600.0  # [s] from a failed attempt to the next; twice as long each time, and at most
GIVE_UP = 86400.0  # [s] after which a message that fails once more is given up
KEPT = 7 * 86400.0  # [s] that messages are kept after they have arrived or were given up
CLAIMED = 60.0  # [s] that a message is left to the program that is sending it
MOST = 50  # webhooks
LEAST_SECRET, LONGEST_SECRET = 16, 200  # characters
_URL = re.compile(r"[!-~]{1,2000}")


@dataclass(frozen=True)
class Webhook:
    """A webhook: an address and the events that it subscribes to."""

    id: int
    url: str
    events: tuple[str, ...]
    active: bool
    created: str  # ISO 8601, UTC
    author: str


@dataclass(frozen=True)
class Message:
    """A message that is to be sent now."""

    number: int
    webhook: int
    url: str
    secret: str
    event: str
    body: str
    tries: int  # this one included
    created: float  # [s since 1970]


class Webhooks:
    """The webhooks and their messages. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database

    def add(
        self, url: str, events: Sequence[str], *, secret: str = "", by: Principal = NO_PRINCIPAL
    ) -> tuple[Webhook, str]:
        """Add a webhook and return it with its secret, which is made where none is given.

        The log holds the host only: the rest of an address may be a secret.

        Raises:
            InvalidValueError: the address, the secret or an event cannot be, or there are too many webhooks.
        """
        _check(url, events)
        secret = secret or secrets.token_urlsafe(32)
        if not LEAST_SECRET <= len(secret) <= LONGEST_SECRET or not (secret.isascii() and secret.isprintable()):
            expected = f"{LEAST_SECRET} to {LONGEST_SECRET} printable ASCII characters"
            raise InvalidValueError("secret of a webhook", f"{len(secret)} characters", expected)
        row = {"url": url, "secret": secret, "events": _as_text(events), "created": timestamp(), "author": by.name}

        def work(connection: sa.Connection) -> int:
            if (connection.scalar(sa.select(sa.func.count()).select_from(webhooks)) or 0) >= MOST:
                raise InvalidValueError("webhook", "one more", f"at most {MOST}: remove one first")
            number = int(connection.execute(sa.insert(webhooks).returning(webhooks.c.id), row).scalar_one())
            log(connection, by.name, "webhook added", _about(number, url=url, events=row["events"]), by.address)
            return number

        return self.get(self._database.write(work)), secret

    def get(self, number: int) -> Webhook:
        """Return a webhook.

        Raises:
            NotFoundError: there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(webhooks).where(webhooks.c.id == number)).one_or_none()
        if row is None:
            raise NotFoundError("webhook", number, "List the webhooks to see what there is.")
        return _webhook_of(row)

    def list(self) -> "list[Webhook]":
        """Return all webhooks in the order in which they were added."""
        with self._database.read() as connection:
            return [_webhook_of(row) for row in connection.execute(sa.select(webhooks).order_by(webhooks.c.id))]

    def change(
        self,
        number: int,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        active: bool | None = None,
        by: Principal = NO_PRINCIPAL,
    ) -> Webhook:
        """Change a webhook; messages of an inactive one keep waiting.

        Raises:
            NotFoundError: there is none.
            InvalidValueError: the address or an event cannot be.
        """
        _check(url or "http://a", events if events is not None else EVENTS)
        changes: dict[str, Any] = {"url": url, "events": None if events is None else _as_text(events)}
        changes |= {"active": None if active is None else int(active)}
        values = {name: value for name, value in changes.items() if value is not None}
        self.get(number)

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.update(webhooks).where(webhooks.c.id == number).values(values))
            log(connection, by.name, "webhook changed", _about(number, **values), by.address)

        if values:
            self._database.write(work)
        return self.get(number)

    def remove(self, number: int, *, by: Principal = NO_PRINCIPAL) -> None:
        """Remove a webhook with all of its messages.

        Raises:
            NotFoundError: there is none.
        """

        def work(connection: sa.Connection) -> None:
            if not connection.execute(sa.delete(webhooks).where(webhooks.c.id == number)).rowcount:
                raise NotFoundError("webhook", number, "List the webhooks to see what there is.")
            connection.execute(sa.delete(deliveries).where(deliveries.c.webhook == number))
            log(connection, by.name, "webhook removed", _about(number), by.address)

        self._database.write(work)

    def test(self, number: int) -> int:
        """Queue a message that only tests the delivery, and return its number.

        Raises:
            NotFoundError: there is no such webhook.
        """
        self.get(number)
        now = time.time()
        body = json.dumps({"at": timestamp(), "data": {"webhook": number}, "event": TEST})
        row = {"webhook": number, "event": TEST, "body": body, "created": now, "due": now, "state": "waiting"}
        add = sa.insert(deliveries).returning(deliveries.c.number)
        return int(self._database.write(lambda connection: connection.execute(add, row).scalar_one()))

    def messages(self, number: int, *, before: int = 0, limit: int = 100, state: State | None = None) -> RowPage:
        """Return messages of a webhook, newest first, before a number."""
        query = sa.select(deliveries).where(deliveries.c.webhook == number)
        query = query.where(deliveries.c.number < before) if before else query
        query = query.where(deliveries.c.state == state) if state is not None else query
        with self._database.read() as connection:
            found = connection.execute(query.order_by(deliveries.c.number.desc()).limit(limit + 1)).mappings()
            rows = [dict(row) for row in found]
        return RowPage(rows[:limit], rows[limit - 1]["number"] if len(rows) > limit else None)

    def waiting(self) -> dict[int, int]:
        """Return how many messages wait, by webhook."""
        query = sa.select(deliveries.c.webhook, sa.func.count()).where(deliveries.c.state == "waiting")
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(deliveries.c.webhook))}

    def due(self, limit: int, each: int, busy: Collection[int] = ()) -> Sequence[Message]:
        """Take messages that are to be sent now, in their order: at most `limit`, and `each` of a webhook.

        Webhooks that are `busy` are skipped.

        The caller has CLAIMED seconds to report their outcome; after that it counts as dead.
        """
        now = time.time()
        which = (deliveries.c.state == "waiting") & (deliveries.c.due <= now) & deliveries.c.webhook.not_in(list(busy))
        with self._database.read() as connection:
            if connection.scalar(sa.select(deliveries.c.number).where(which).limit(1)) is None:
                return []
        place = sa.func.row_number().over(partition_by=deliveries.c.webhook, order_by=deliveries.c.number)
        first = sa.select(deliveries.c.number, place.label("place")).where(which).subquery()
        both = deliveries.join(webhooks, webhooks.c.id == deliveries.c.webhook)
        query = sa.select(deliveries, webhooks.c.url, webhooks.c.secret).select_from(
            both.join(first, first.c.number == deliveries.c.number)
        )
        query = query.where(which, first.c.place <= each, webhooks.c.active == 1)  # the row as it is once it is locked
        query = query.order_by(deliveries.c.number).limit(limit)

        def work(connection: sa.Connection) -> Sequence[Message]:
            rows = connection.execute(query.with_for_update(skip_locked=True, of=deliveries)).all()
            numbers = [row.number for row in rows]
            values = {"due": now + CLAIMED}
            connection.execute(sa.update(deliveries).where(deliveries.c.number.in_(numbers)).values(values))
            return [
                Message(r.number, r.webhook, r.url, r.secret, r.event, r.body, r.tries + 1, r.created) for r in rows
            ]

        return self._database.write(work)

    def arrived(self, message: Message, status: int) -> None:
        """Record that a message has arrived."""
        self._settle(message, {"state": "delivered", "status": status, "problem": ""})

    def failed(
        self, message: Message, status: int | None, problem: str, failures: int, held: "Sequence[Message]" = ()
    ) -> None:
        """Record that a message did not arrive: it is tried again later, or given up.

        The others of the webhook wait as well, the longer the more `failures` there were in a row: their receiver seems
        to be away. `held` are those that were taken with it.
        """
        now, wait = time.time(), wait_after(failures)
        late = message.created + GIVE_UP < now
        values = {"state": "given_up" if late else "waiting", "status": status, "problem": problem[:500]}
        self._settle(message, {**values, "due": now + max(wait, wait_after(message.tries))})
        mine = (deliveries.c.webhook == message.webhook) & (deliveries.c.state == "waiting")
        taken = deliveries.c.number.in_([one.number for one in held])
        old = sa.update(deliveries).where(mine, deliveries.c.created + GIVE_UP < now, taken | (deliveries.c.due <= now))
        others = deliveries.c.number != message.number
        rest = sa.update(deliveries).where(mine, taken | (others & (deliveries.c.due < now + wait)))

        def work(connection: sa.Connection) -> None:
            if late:
                connection.execute(old.values(state="given_up", problem="the receiver was away for a day"))
            connection.execute(rest.values(due=now + wait))

        self._database.write(work)

    def give_back(self, messages: Sequence[Message]) -> None:
        """Let messages that were taken and not sent be due again."""
        numbers = [message.number for message in messages]
        change = sa.update(deliveries).where(deliveries.c.number.in_(numbers)).values(due=time.time())
        self._database.write(lambda connection: connection.execute(change))

    def tidy(self) -> int:
        """Remove messages that arrived or were given up long ago, and return how many."""
        old = (deliveries.c.state != "waiting") & (deliveries.c.created < time.time() - KEPT)
        return self._database.write(lambda connection: connection.execute(sa.delete(deliveries).where(old)).rowcount)

    def _settle(self, message: Message, values: dict[str, Any]) -> None:
        values = {**values, "tries": message.tries, "tried": time.time()}
        change = sa.update(deliveries).where(deliveries.c.number == message.number).values(values)
        self._database.write(lambda connection: connection.execute(change))


def wait_after(failures: int) -> float:
    """Return how long to wait after so many failures in a row [s]."""
    return min(FIRST * 2.0 ** min(failures - 1, 30), LONGEST_WAIT)


def _check(url: str, events: Sequence[str]) -> None:
    try:
        parts = urlsplit(url)
        fits = bool(_URL.fullmatch(url)) and parts.scheme in ("http", "https") and bool(parts.hostname)
        fits = fits and parts.username is None and parts.password is None and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        fits = False
    if not fits:
        expected = "http:// or https:// and a host, without a name or password in it"
        raise InvalidValueError("address of a webhook", repr(url[:200]), expected)
    unknown = [event for event in events if event not in EVENTS]
    if unknown or not events:
        raise InvalidValueError("events of a webhook", ", ".join(unknown) or "none", f"some of {', '.join(EVENTS)}")


def _as_text(events: Sequence[str]) -> str:
    return f" {' '.join(event for event in EVENTS if event in events)} "


def _about(number: int, *, url: str = "", events: str = "", active: int | None = None) -> str:
    """Return the log's description of a webhook and its changes; of the address only the host."""
    changed = [urlsplit(url).hostname or "", ", ".join(events.split())]
    changed += [] if active is None else ["works" if active else "rests"]
    return f"webhook {number}: {'; '.join(part for part in changed if part)}".removesuffix(": ")


def _webhook_of(row: Any) -> Webhook:
    return Webhook(row.id, row.url, tuple(row.events.split()), bool(row.active), row.created, row.author)
