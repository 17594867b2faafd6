"""The tables of accounts: people, web sessions, tokens, one-time links, failed sign-ins, and the audit log.

They are in the same database as the tables of feedback. Of secrets only digests are stored: a reader of the database
cannot sign in with them.
"""

import sqlalchemy as sa

from robo_rlhf.database.metadata import metadata, serial

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", serial, primary_key=True, autoincrement=True),
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
    sa.Column("ended", sa.String(32)),  # signed out, or ended by another user
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
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Index("sign_in_tries_by_time", "at"),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),  # names the token, and tells nothing of it
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # SHA-256 of what the program holds
    sa.Column("person_id", sa.BigInteger, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),  # what it is for, in the person's words
    sa.Column("role", sa.String(16), nullable=False),  # may do what this role may, and never more than the person
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("expires", sa.String(32), nullable=False),
    sa.Column("used", sa.String(32)),  # last use, to within a minute
    sa.Column("address", sa.String(64), nullable=False, server_default=""),  # where it was last used from
    sa.Column("revoked", sa.String(32)),
    sa.CheckConstraint("role IN ('administrator', 'operator', 'annotator')", name="scope_known"),
    sa.Index("api_tokens_of_person", "person_id"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", serial, primary_key=True, autoincrement=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("who", sa.String(64), nullable=False),  # a person's name; empty: unknown
    sa.Column("act", sa.String(32), nullable=False),
    sa.Column("about", sa.Text, nullable=False),  # whom or what it was done to, in words
    sa.Column("address", sa.String(64), nullable=False),
    sa.Index("audit_of_who", "who", "number"),
)

ONLY_GROWS = {  # the log, for all writers of the database
    "sqlite": (
        "CREATE TRIGGER audit_keeps_lines BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the log can only grow'); END",
        "CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the log can only grow'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log can only grow'; END $$",
        "CREATE TRIGGER audit_keeps_lines BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()",
    ),
}


@sa.event.listens_for(audit, "after_create")
def _only_grows(_: sa.Table, connection: sa.Connection, **__: object) -> None:
    for statement in ONLY_GROWS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


annotators = sa.Table(
    "annotators",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),  # human or simulated
    sa.Column("team", sa.Text, nullable=False, server_default=""),  # groups that the person names: see `groups`
    sa.Column("handed", sa.Integer, nullable=False, server_default="0"),  # questions assigned so far
    sa.Column("since", sa.String(32), nullable=False),
)
