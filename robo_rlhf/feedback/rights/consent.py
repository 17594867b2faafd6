"""The consent text of a team, which each person agrees to before the first answer, and again when it changes."""

import math
import time
from typing import NamedTuple

import sqlalchemy as sa

from robo_rlhf.accounts.roles import Principal, log
from robo_rlhf.core.errors import ConsentNeededError, InvalidValueError
from robo_rlhf.database.engine import add_new
from robo_rlhf.database.timestamps import timestamp
from robo_rlhf.database.writers import Database
from robo_rlhf.feedback.tables import consent_texts, consents

LONGEST_CONSENT = 20_000  # characters
REMEMBERED = 2.0  # [s] that it is not looked again whether there is a text


class ConsentText(NamedTuple):
    """One version of the text."""

    number: int
    text: str  # Markdown; empty: nobody is asked any more
    written: str  # ISO 8601, UTC


class Consents:
    """The texts and who agreed to them. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        """Use the tables of `database`."""
        self._database = database
        self._quiet_until = -math.inf  # [s] of the monotonic clock: nobody is asked for consent until then

    def require(self, connection: sa.Connection, person: str) -> None:
        """Check that a person has agreed to the team's text, where there is one.

        That there is none is remembered for two seconds: another process may have written one in them.

        Raises:
            ConsentNeededError: they have not, or it has changed.
        """
        if time.monotonic() < self._quiet_until:
            return
        row = connection.execute(_ASKED, {"person": person}).one_or_none()
        if row is None or not row.asks:
            self._quiet_until = time.monotonic() + REMEMBERED
        elif not row.agreed:
            raise ConsentNeededError(person)

    def write(self, text: str, by: Principal) -> ConsentText:
        """Write a new version, to which everybody has to agree; an empty one ends that.

        Raises:
            InvalidValueError: it is too long.
        """
        text = text.strip()
        if len(text) > LONGEST_CONSENT or "\0" in text:
            raise InvalidValueError("consent text", f"{len(text):,} characters", f"at most {LONGEST_CONSENT:,}")

        def work(connection: sa.Connection) -> ConsentText:
            row = {"text": text, "author": by.name, "written": timestamp()}
            number = connection.execute(sa.insert(consent_texts).values(row).returning(consent_texts.c.number)).scalar()
            about = f"version {number}, {len(text):,} characters" if text else f"version {number}: nobody is asked"
            log(connection, by.name, "consent text written", about, by.address)
            return ConsentText(int(number or 0), text, str(row["written"]))

        written = self._database.write(work)
        self._quiet_until = -math.inf
        return written

    def current(self) -> ConsentText | None:
        """Return the text that holds; None where there is none."""
        with self._database.read() as connection:
            return _current(connection)

    def agree(self, person: str, number: int) -> None:
        """Note that a person agrees to the text of this number.

        Raises:
            InvalidValueError: another text holds by now.
        """

        def work(connection: sa.Connection) -> None:
            now = _current(connection)
            if now is None or now.number != number:
                held = "no text" if now is None else f"text {now.number}"
                raise InvalidValueError("consent", f"to text {number}", f"{held}, which holds now; read it again")
            add_new(connection, consents, {"annotator": person, "text": number, "given": timestamp()})

        self._database.write(work)

    def given(self, person: str) -> list[tuple[int, str]]:
        """Return the numbers of the texts that a person agreed to, and when."""
        query = sa.select(consents.c.text, consents.c.given).where(consents.c.annotator == person)
        with self._database.read() as connection:
            return [(row.text, row.given) for row in connection.execute(query.order_by(consents.c.text))]


_AGREED = sa.exists().where(
    (consents.c.annotator == sa.bindparam("person")) & (consents.c.text == consent_texts.c.number)
)
_ASKED = (  # whether the newest text asks anybody, and a person agreed to it: without reading it, at each question
    sa.select((consent_texts.c.text != "").label("asks"), _AGREED.label("agreed"))
    .order_by(consent_texts.c.number.desc())
    .limit(1)
)


def _current(connection: sa.Connection) -> ConsentText | None:
    newest = sa.select(consent_texts).order_by(consent_texts.c.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return ConsentText(row.number, row.text, row.written) if row is not None and row.text else None
