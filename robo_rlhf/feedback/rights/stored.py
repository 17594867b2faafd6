"""What is stored about a person, and erasing all of it."""

from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.people import People
from robo_rlhf.accounts.roles import log
from robo_rlhf.accounts.tables import annotators, audit, people, web_sessions
from robo_rlhf.database.engine import transaction
from robo_rlhf.feedback.assignment.assign import end
from robo_rlhf.feedback.assignment.assign_sql import LIVE
from robo_rlhf.feedback.assignment.recount import settle_counters
from robo_rlhf.feedback.queries import answer_rows, note_rows, signal_rows
from robo_rlhf.feedback.rights.home import erase_files, one_at_a_time, recorded_by, require_closed
from robo_rlhf.feedback.rights.names import new_alias
from robo_rlhf.feedback.rights.rows import RowEraser, What, compact, copies_of, erase_from_copy
from robo_rlhf.feedback.store import Store
from robo_rlhf.feedback.tables import answers, leases, notes, signals

MOST = 10**6  # rows of an export


class Erased(NamedTuple):
    """What was done."""

    alias: str  # under which anonymous answers and recordings are
    answers: int  # questions whose answers are anonymous, or removed
    episodes: int
    models: tuple[str, ...]  # runs that learned from the person, which say so now
    copies: int  # of the database, kept before migrations, in which the person was erased too


def stored_about(store: Store, accounts: People, home: Path, name: str) -> dict[str, Any]:
    """Return everything that is stored about a person, as a JSON object.

    Raises:
        NotFoundError: there is no such person.
    """
    person = accounts.get(name)
    with transaction(accounts.engine, write=False) as connection:
        since = connection.scalar(sa.select(people.c.created).where(people.c.id == person.id))
        group = connection.execute(sa.select(annotators).where(annotators.c.name == name)).mappings().one_or_none()
        shown = (web_sessions.c[column] for column in ("created", "seen", "ended", "address", "agent"))
        mine = sa.select(*shown)
        browsers = connection.execute(mine.where(web_sessions.c.person_id == person.id)).mappings().all()
        lines = connection.execute(sa.select(audit).where(audit.c.who == name)).mappings().all()
    database = store.database
    return {
        "account": {"name": name, "role": person.role, "created": since, "groups": group["team"] if group else ""},
        "browsers": [dict(row) for row in browsers],
        "tokens": [{"name": t.name, "created": t.created, "expires": t.expires} for t in accounts.tokens.list(person)],
        "consents": [{"text": number, "given": given} for number, given in store.consents.given(name)],
        "answers": answer_rows(database, limit=MOST, annotator=name).items,
        "presses": signal_rows(database, limit=MOST, annotator=name).items,
        "notes": note_rows(database, limit=MOST, annotator=name).items,
        "log": [dict(row) for row in lines],
        "recordings": [path.relative_to(home).as_posix() for path in recorded_by(home, name)],
    }


def counted_about(store: Store, name: str) -> dict[str, int]:
    """Return how many rows there are about a person, by what they are."""
    columns = {"answers": answers.c, "presses": signals.c, "notes": notes.c}
    by = {**{what: c.annotator for what, c in columns.items()}, "lines of the log": audit.c.who}
    with store.database.read() as connection:
        return {
            what: connection.scalar(sa.select(sa.func.count()).where(column == name)) or 0
            for what, column in by.items()
        }


def erase(store: Store, accounts: People, home: Path, name: str, what: What) -> Erased:
    """Erase a person: account, name, notes, times, addresses; answers and presses as they choose.

    The account goes last: whatever stops it before that, the same call goes on. The day of an answer stays, and the
    arrays of recordings do.

    Raises:
        NotFoundError: there is no such person.
        InvalidValueError: it is the last administrator.
        ConflictError: something is being recorded in the data home.
    """
    with one_at_a_time(home):
        return _erase(store, accounts, home, name, what)


def _erase(store: Store, accounts: People, home: Path, name: str, what: What) -> Erased:
    alias = new_alias()
    accounts.erase(name, None)
    require_closed(home)
    copies = copies_of(Path(store.name)) if not store.database.shared else []
    for copy in copies:
        erase_from_copy(copy, name, alias, what)
    found = erase_files(home, name, alias)

    def also(connection: sa.Connection) -> int:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        end(connection, connection.execute(sa.select(leases).where(leases.c.annotator == name, LIVE)).all())
        ids = RowEraser(connection, name, alias).erase(what)
        for schema in _kept_schemas(connection):
            RowEraser(connection, name, alias, schema).erase(what)
        settle_counters(connection, ids)
        log(connection, "", "person erased", f"{alias}, answers {what}")
        return len(ids)

    count = accounts.erase(name, also)
    if not store.database.shared:
        compact(Path(store.name))
    return Erased(alias, count or 0, found.episodes, found.models, len(copies))


def _kept_schemas(connection: sa.Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        return []
    return [one for one in sa.inspect(connection).get_schema_names() if one.startswith("robo_rlhf_v")]
