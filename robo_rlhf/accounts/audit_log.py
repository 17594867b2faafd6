"""The audit log: who did what, when and from where. It is append-only, and is read in pages, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.roles import Principal, log
from robo_rlhf.accounts.tables import audit
from robo_rlhf.database.engine import transaction

BLOCK = 1000  # lines that are held in memory


class AuditEntry(NamedTuple):
    """One line of the log."""

    at: str  # ISO 8601, UTC
    who: str
    act: str
    about: str
    address: str
    number: int = 0  # order of writing


@dataclass(frozen=True)
class AuditFilter:
    """A filter of lines; an empty field matches all."""

    who: str = ""  # exactly
    act: str = ""  # exactly
    about: str = ""  # a person who did it or whom it was done to
    text: str = ""  # part of the subject, the actor or the address, ignoring case

    def where(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions."""
        found = [column == wanted for column, wanted in ((audit.c.who, self.who), (audit.c.act, self.act)) if wanted]
        if self.about:
            mentioned = (audit.c.about == self.about) | audit.c.about.startswith(f"{self.about},", autoescape=True)
            mentioned |= audit.c.about.startswith(f"{self.about}:", autoescape=True)
            mentioned |= audit.c.about.endswith(f", of {self.about}", autoescape=True)
            found.append((audit.c.who == self.about) | mentioned)
        if self.text:
            columns = (audit.c.about, audit.c.who, audit.c.address)
            found.append(sa.or_(*(column.icontains(self.text, autoescape=True) for column in columns)))
        return found


class AuditLog:
    """The log. Safe to use from several threads and processes at once."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use the database of `engine`, in which the tables are."""
        self._engine = engine

    def write(self, by: Principal, act: str, about: str) -> None:
        """Log an act outside the database; changes of the database are logged in their own transaction."""
        with transaction(self._engine, write=True) as connection:
            log(connection, by.name, act, about, by.address)

    def read(
        self, which: AuditFilter | None = None, *, before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Return the newest lines, newest first; with `before` those that are older than the line of that number."""
        query = sa.select(audit).where(*(which or AuditFilter()).where()).order_by(audit.c.number.desc()).limit(limit)
        query = query.where(audit.c.number < before) if before is not None else query
        with transaction(self._engine, write=False) as connection:
            return [
                AuditEntry(*(row[field] for field in AuditEntry._fields))
                for row in connection.execute(query).mappings()
            ]

    def all(self, which: AuditFilter) -> Iterator[AuditEntry]:
        """Return all lines that fit, newest first, read some at a time."""
        before: int | None = None
        while lines := self.read(which, before=before, limit=BLOCK):
            yield from lines
            before = lines[-1].number

    def names(self) -> tuple[list[str], list[str]]:
        """Return all actors and all acts in the log."""
        with transaction(self._engine, write=False) as connection:
            who, acts = (
                sorted(connection.scalars(sa.select(column).distinct()).all()) for column in (audit.c.who, audit.c.act)
            )
        return [name for name in who if name], acts
