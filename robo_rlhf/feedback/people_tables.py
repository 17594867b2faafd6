"""The tables of people: accounts, web sessions, one-time links, failed sign-ins, and who did what when.

They lie beside the tables of feedback, in the same database. Of secrets only digests are stored: whoever reads the
database cannot sign in with what stands there.
"""

import sqlalchemy as sa

from robo_rlhf.feedback.tables import metadata

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up in INTEGER columns only

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", _serial, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", sa.Text),  # argon2id, with its parameters and salt; NULL: signs in by a link only
    sa.Column("created", sa.String(32), nullable=False),  # ISO 8601, UTC, as all times here
    sa.Column("disabled", sa.String(32)),  # since when; NULL: not
    sa.CheckConstraint("role IN ('administrator', 'operator', 'annotator')", name="role_known"),
)

web_sessions = sa.Table(
    "web_sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of what the cookie holds
    sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("seen", sa.String(32), nullable=False),  # last use, to within a few minutes
    sa.Column("expires", sa.String(32), nullable=False),  # at the latest, however much it is used
    sa.Column("ended", sa.String(32)),  # signed out, or ended by somebody
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),  # what the browser calls itself
    sa.Index("web_sessions_of_person", "person_id"),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the token in the link
    sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
    sa.Column("used", sa.String(32)),
)

sign_in_tries = sa.Table(
    "sign_in_tries",
    metadata,
    sa.Column("number", _serial, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Index("sign_in_tries_by_time", "at"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", _serial, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("who", sa.String(64), nullable=False),  # a person's name; empty: nobody is known
    sa.Column("act", sa.String(32), nullable=False),
    sa.Column("about", sa.Text, nullable=False),  # whom or what it was done to, in words
    sa.Column("address", sa.String(64), nullable=False),
)

PEOPLE_TABLES = (people, web_sessions, sign_in_links, sign_in_tries, audit)
