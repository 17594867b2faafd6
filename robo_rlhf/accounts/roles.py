"""Types that all parts of the accounts share: accounts, roles, actors, and writing to the audit log."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import sqlalchemy as sa

from robo_rlhf.accounts.tables import audit
from robo_rlhf.database.migrate import LOCK
from robo_rlhf.database.timestamps import timestamp

Role = Literal["administrator", "operator", "annotator"]
LONGEST = 1000  # characters that the log keeps about one act
ROLES: tuple[Role, ...] = ("administrator", "operator", "annotator")  # each may do what those after it may


class Principal(NamedTuple):
    """The actor of an act and their address, for the log."""

    name: str = ""  # a person or a command; empty: unknown
    address: str = ""


NO_PRINCIPAL = Principal()


@dataclass(frozen=True)
class Person:
    """An account."""

    id: int
    name: str
    role: Role
    has_password: bool  # if not: signs in by a link only
    disabled: bool
    created: str  # ISO 8601, UTC

    def may(self, role: Role) -> bool:
        """Whether the account may do what `role` may."""
        return not self.disabled and ROLES.index(self.role) <= ROLES.index(role)


def person_of(row: sa.RowMapping) -> Person:
    """Return the account in a row of `people`."""
    return Person(
        id=row["id"],
        name=row["name"],
        role=cast(Role, row["role"]),
        has_password=row["password"] is not None,
        disabled=row["disabled"] is not None,
        created=row["created"],
    )


def log(connection: sa.Connection, who: str, act: str, about: str = "", address: str = "") -> None:
    """Log an act in the transaction that performs it."""
    if connection.dialect.name == "postgresql":  # lines become visible in their order: the newest one reveals all
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK + 2)))
    row = {"at": timestamp(), "who": who[:64], "act": act, "about": about[:LONGEST], "address": address[:64]}
    connection.execute(sa.insert(audit), row)
